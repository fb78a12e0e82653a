"""Device states as Python sees them; their model is in Rust."""

from __future__ import annotations

import pytest

from telemetry._codec import CodecError, DeviceStates
from tests.support.wire import FIRST_TS_US, batch, position


def test_a_device_is_cold_until_it_is_restored() -> None:
    states = DeviceStates(2)
    first = batch([position(1, device_id="a"), position(0, device_id="b")])
    assert states.cold(first) == ["a", "b"]
    states.update(first, seen_ms=1000)
    assert states.cold(first) == ["a", "b"]
    states.restore(["b"], [])
    assert states.cold(first) == ["a"]


def test_the_newest_position_is_held_and_every_record_counted() -> None:
    states = DeviceStates(2)
    states.update(
        batch([position(1, device_id="a"), position(0, device_id="a", latitude="1")]), seen_ms=1000
    )
    state = states.get("a")
    assert state is not None
    assert (state.newest_ts_us, state.last_seen_ms) == (FIRST_TS_US + 1_000_000, 1000)
    assert (state.latitude, state.longitude, state.session_records) == (41.3275, 19.8187, 2)


def test_the_device_that_was_not_heard_of_for_longest_is_forgotten() -> None:
    states = DeviceStates(2)
    for device in ("a", "b", "c"):
        states.update(batch([position(device_id=device)]), seen_ms=1000)
    assert states.get("a") is None
    assert (len(states), states.evictions) == (2, 1)
    states.restore(["d", "e"], [])
    assert (len(states), states.evictions) == (2, 3)


def test_a_restored_row_is_the_newest_position_until_a_newer_one_comes() -> None:
    states = DeviceStates(2)
    states.restore(["a", "b"], [("a", FIRST_TS_US + 1_500_000, 1.5, -2.5)])
    state = states.get("a")
    assert state is not None
    assert (state.newest_ts_us, state.latitude, state.longitude) == (
        FIRST_TS_US + 1_500_000,
        1.5,
        -2.5,
    )
    assert (state.last_seen_ms, state.session_records) == (0, 0)
    assert (states.get("b"), len(states)) == (None, 2)
    states.update(batch([position(2, device_id="a")]), seen_ms=7)
    state = states.get("a")
    assert state is not None
    assert (state.newest_ts_us, state.last_seen_ms) == (FIRST_TS_US + 2_000_000, 7)


def test_what_is_newer_than_a_restored_device_is_proven_new() -> None:
    states = DeviceStates(2)
    rows = batch(
        [position(number, device_id=device) for device in ("a", "b", "c") for number in (1, 2, 3)]
    )
    assert len(states.unproven(rows)) == 9
    states.restore(["a", "b"], [("a", FIRST_TS_US + 2_000_000, 0.0, 0.0)])
    assert len(states.unproven(rows)) == 2 + 0 + 3


def test_a_capacity_of_nothing_is_an_error() -> None:
    with pytest.raises(CodecError, match="capacity"):
        DeviceStates(0)
