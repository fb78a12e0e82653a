from __future__ import annotations

import pytest

from ingestion.core import quarantine
from ingestion.core.quarantine import Quarantine

IMEI, OTHER_IMEI = "356307042441013", "356307042441021"


def test_the_same_frame_is_due_after_so_many_times_in_a_row() -> None:
    kept = Quarantine(3)
    assert [kept.is_due(IMEI, b"a") for _ in range(4)] == [False, False, True, True]


def test_any_other_frame_begins_the_count_again() -> None:
    kept = Quarantine(2)
    assert not kept.is_due(IMEI, b"a")
    assert not kept.is_due(IMEI, b"b")
    assert not kept.is_due(IMEI, b"a")
    kept.forget(IMEI)
    assert not kept.is_due(IMEI, b"a")
    assert kept.is_due(IMEI, b"a")


def test_each_device_has_its_own_count() -> None:
    kept = Quarantine(2)
    assert not kept.is_due(IMEI, b"a")
    assert not kept.is_due(OTHER_IMEI, b"a")


def test_zero_keeps_nothing() -> None:
    assert not any(Quarantine(0).is_due(IMEI, b"a") for _ in range(10))


def test_devices_that_are_made_up_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "DEVICES_MAX", 2)
    kept = Quarantine(2)
    for imei in ("1", "2", "3"):
        kept.is_due(imei, b"a")
    assert not kept.is_due("1", b"a")
    assert kept.is_due("3", b"a")
