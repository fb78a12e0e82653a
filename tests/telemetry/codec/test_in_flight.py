"""Entries in flight as Python sees them; their model is in Rust."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from telemetry._codec import CodecError, InFlightIds
from tests.support.wire import batch, position

if TYPE_CHECKING:
    from collections.abc import Callable


def test_what_was_taken_is_in_flight_until_it_is_settled() -> None:
    in_flight = InFlightIds()
    whole = batch([position(1), position(1), position(2)])
    assert (in_flight.take(whole, 1000), len(in_flight)) == (3, 3)
    assert (in_flight.take(whole, 2000), len(in_flight)) == (0, 3)
    rest, taken = whole.take_out(0)
    assert (in_flight.settle(taken), len(in_flight)) == (1, 2)
    assert in_flight.absent(["1-2", "1-0", "9-9"]) == ["1-0", "9-9"]
    assert (in_flight.settle(whole), in_flight.settle(rest), len(in_flight)) == (2, 0, 0)


def test_ids_are_taken_and_settled_without_their_records() -> None:
    in_flight = InFlightIds()
    assert in_flight.take_ids(["1-1", "1-2", "1-1"], 1000) == 2
    assert in_flight.take(batch([position()], first_seq=2), 1000) == 0
    assert in_flight.settle_ids(["1-2", "1-3"]) == 1
    assert in_flight.in_flight_since(1000) == ["1-1"]


def test_the_first_time_counts_and_the_oldest_entry_comes_first() -> None:
    in_flight = InFlightIds()
    in_flight.take_ids(["10-0", "9-10", "9-9"], 1000)
    in_flight.take_ids(["11-0"], 1001)
    in_flight.take_ids(["9-9"], 2000)
    assert in_flight.in_flight_since(999) == []
    assert in_flight.in_flight_since(1000) == ["9-9", "9-10", "10-0"]
    assert in_flight.in_flight_since(1001) == ["9-9", "9-10", "10-0", "11-0"]


@pytest.mark.parametrize("nonsense", ["", "1", "1-", "-1", "1-1 ", "1-*", "18446744073709551616-0"])
def test_what_is_no_entry_id_is_an_error_and_changes_nothing(nonsense: str) -> None:
    in_flight = InFlightIds()
    in_flight.take_ids(["1-1"], 0)
    calls: list[Callable[[list[str]], object]] = [
        lambda ids: in_flight.take_ids(ids, 0),
        in_flight.settle_ids,
        in_flight.absent,
    ]
    for call in calls:
        with pytest.raises(CodecError, match="ms-seq"):
            call(["1-1", "2-2", nonsense])
    assert in_flight.in_flight_since(0) == ["1-1"]
