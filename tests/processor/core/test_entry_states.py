"""The table of transitions, and the counts and ids that follow from it."""

from __future__ import annotations

import pytest

from processor.core.entry_states import (
    AGAIN,
    ILLEGAL,
    TABLE,
    Event,
    IllegalEvent,
    State,
    next_state,
)
from processor.core.known_states import KnownStates

PAIRS = [(state, event) for state in State for event in Event]


def name_of(value: object) -> str:
    return value.name if isinstance(value, State | Event) else repr(value)


@pytest.mark.parametrize(("state", "event"), TABLE, ids=name_of)
def test_an_event_in_the_table_leads_to_the_state_of_its_row(state: State, event: Event) -> None:
    assert next_state(state, event) is TABLE[state, event] is not state


def test_an_event_that_the_table_does_not_name_changes_nothing() -> None:
    for state, event in PAIRS:
        if (state, event) not in TABLE and (state, event) not in ILLEGAL:
            assert next_state(state, event) is state


def test_no_row_is_illegal() -> None:
    assert ILLEGAL.isdisjoint(TABLE)


@pytest.mark.parametrize(("state", "event"), sorted(ILLEGAL, key=str), ids=name_of)
def test_an_illegal_event_raises_and_keeps_the_state(state: State, event: Event) -> None:
    states = KnownStates()
    if state is State.RELEASED_UNREAD:
        states.happened("1-0", State.UNREAD, Event.RELEASED)
    before = states.ledger, states.known("1-0")
    with pytest.raises(IllegalEvent):
        states.happened("1-0", state, event)
    with pytest.raises(IllegalEvent):
        states.happened_to_many(state, event, 1)
    assert (states.ledger, states.known("1-0")) == before


def test_each_event_may_come_twice() -> None:
    for state, event in PAIRS:
        if (state, event) not in ILLEGAL:
            once = next_state(state, event)
            assert next_state(once, event) is once


def test_acknowledged_and_released_entries_need_not_be_distinguished_by_id() -> None:
    for event in Event:
        acked, released = (next_state(each, event) for each in (State.ACKED, State.RELEASED))
        assert (acked is State.ACKED) is (released is State.RELEASED)
        acked, released = (
            next_state(each, event) for each in (State.ACKED_AGAIN, State.RELEASED_AGAIN)
        )
        assert acked.counted_as is State.ACKED
        assert released.counted_as is State.RELEASED
        assert acked.is_in_flight is released.is_in_flight


def test_an_entry_that_is_in_flight_again_counts_as_it_did() -> None:
    for again, final in AGAIN.items():
        assert next_state(final, Event.READ) is again
        assert again.counted_as is final
        assert again.is_in_flight
        assert not final.is_in_flight


def test_the_newest_settled_entries_are_known_by_id_and_all_are_counted() -> None:
    states = KnownStates(known_max=2)
    for entry_id in ("1-0", "2-0", "3-0"):
        states.happened(entry_id, State.UNREAD, Event.LOST)
    assert [states.known(entry_id) for entry_id in ("1-0", "2-0", "3-0")] == [
        None,
        State.LOST,
        State.LOST,
    ]
    assert (states.ledger.read, states.ledger.lost) == (3, 3)


def test_entries_left_pending_are_all_known_by_id() -> None:
    states = KnownStates(known_max=1)
    for entry_id in ("1-0", "2-0", "3-0"):
        states.happened_to_many(State.UNREAD, Event.READ, 1)
        states.happened(entry_id, State.IN_FLIGHT, Event.REFUSED)
    assert states.refused == ["1-0", "2-0", "3-0"]


def test_an_entry_that_was_forgotten_and_read_as_new_counts_once_again_when_it_is_decided() -> None:
    states = KnownStates()
    for _ in range(2):
        states.happened_to_many(State.UNREAD, Event.READ, 1)
        states.happened("1-0", State.IN_FLIGHT, Event.REFUSED)
    ledger = states.ledger
    assert (ledger.read, ledger.left_pending, ledger.unaccounted) == (1, 1, 0)
