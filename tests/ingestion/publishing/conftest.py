"""Publishers that wait a tenth of the real times, for tests of what happens when nothing comes."""

from __future__ import annotations

import pytest

from ingestion.publishing import exchange as exchange_module
from ingestion.publishing import publisher as publisher_module


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "UNSENT_S_MAX", 0.5)
    monkeypatch.setattr(publisher_module, "WATCH_S", 0.025)
    monkeypatch.setattr(exchange_module, "PROBE_S", 0.05)
