"""The fixture of the tests of listeners."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.support.listening_harness import LOGGER, Listening

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def listening(caplog: pytest.LogCaptureFixture) -> Iterator[Listening]:
    with caplog.at_level(logging.DEBUG, logger=LOGGER):
        yield Listening(caplog)
