"""Fixtures for tests of the reading tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.trial_harness import TrialHarness

if TYPE_CHECKING:
    from tests.support.redis_harness import RedisHarness


@pytest.fixture
def trials(harness: RedisHarness) -> TrialHarness:
    return TrialHarness(harness)
