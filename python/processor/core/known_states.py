"""Counts the entries in each state, and keeps the states that have to be known by id."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from typing import Final

from processor.core.entry_states import AGAIN, LEFT_PENDING, Event, State, next_state
from processor.core.ledger import Ledger

KNOWN_MAX: Final = 100_000
"""Settled entries whose state is kept by id, the newest. Older ones stay in the field that counted them."""

_SETTLED: Final = frozenset({State.DEAD_LETTERED, State.LOST, State.TAKEN_OVER})


class KnownStates:
    """The states of the entries of one run.

    No id is kept on the common path, read, written and acknowledged: the caller's sets of ids know which
    entries are in flight and which were ever read, and here such entries are counts. ACKED and RELEASED are
    counts for good. What is kept by id has the state that a later event would change.
    """

    def __init__(self, known_max: int = KNOWN_MAX) -> None:
        self._known_max = known_max
        self._counts = dict.fromkeys(State, 0)
        self._left_pending: dict[str, State] = {}
        self._settled: dict[str, State] = {}
        self._again: dict[str, State] = {}
        self._released_unread: dict[str, State] = {}
        self._kept = {
            **dict.fromkeys(LEFT_PENDING, self._left_pending),
            **dict.fromkeys(_SETTLED, self._settled),
            **dict.fromkeys(AGAIN, self._again),
            State.RELEASED_UNREAD: self._released_unread,
        }

    @property
    def ledger(self) -> Ledger:
        """The counts. What is in flight is read, and in no other field yet."""
        counts = self._counts
        ever_read = -counts[State.UNREAD] - counts[State.RELEASED_UNREAD]
        return Ledger(
            read=ever_read,
            acked=counts[State.ACKED],
            dead_lettered=counts[State.DEAD_LETTERED],
            lost=counts[State.LOST],
            taken_over=counts[State.TAKEN_OVER],
            released=counts[State.RELEASED],
            left_pending=counts[State.REFUSED] + counts[State.SET_ASIDE],
            released_unread=counts[State.RELEASED_UNREAD],
        )

    @property
    def again(self) -> AbstractSet[str]:
        """Ids in flight that stay counted in the final state that they are in."""
        return self._again.keys()

    @property
    def left_pending(self) -> AbstractSet[str]:
        """Ids that were left pending."""
        return self._left_pending.keys()

    @property
    def refused(self) -> Collection[str]:
        """Ids that were left pending with a recorded failure."""
        return [each for each, state in self._left_pending.items() if state is State.REFUSED]

    @property
    def released_unread(self) -> AbstractSet[str]:
        """Ids that were released and had never been read."""
        return self._released_unread.keys()

    @property
    def changed_by_ack(self) -> Collection[str]:
        """Ids not in flight whose state an acknowledgement changes."""
        return (*self._left_pending, *self._settled)

    def in_flight(self, entry_id: str) -> State:
        """The state of an entry that is in flight."""
        return self._again.get(entry_id, State.IN_FLIGHT)

    def known(self, entry_id: str) -> State | None:
        """The state of an entry that is not in flight, as far as it is kept by id."""
        left_pending, settled = self._left_pending.get(entry_id), self._settled.get(entry_id)
        return left_pending or settled or self._released_unread.get(entry_id)

    def happened_to_many(self, state: State, event: Event, entries: int) -> None:
        """An event happened to this number of entries in a state that is not kept by id."""
        self._count(state, next_state(state, event), entries)

    def happened(self, entry_id: str, state: State, event: Event) -> State:
        """An event happened to the entry in this state; the state after it. Raises IllegalEvent."""
        new = next_state(state, event)
        if new is not state:
            self._forget(entry_id, state)
            self._count(state, new, 1)
            self._keep(entry_id, new)
        return new

    def _count(self, old: State, new: State, entries: int) -> None:
        # Every entry begins as UNREAD, and how many there are is unknown: this count is minus those that have left it.
        self._counts[old.counted_as] -= entries
        self._counts[new.counted_as] += entries

    def _keep(self, entry_id: str, state: State) -> None:
        if (kept := self._kept.get(state)) is not None:
            kept[entry_id] = state
        if len(self._settled) > self._known_max:
            del self._settled[next(iter(self._settled))]

    def _forget(self, entry_id: str, state: State) -> None:
        """Drop what is kept of an entry in this state.

        An entry that was read so long ago that it counted as new when it was read again is kept
        in a former state as well: it stops counting in that.
        """
        for kept in (self._left_pending, self._settled, self._again, self._released_unread):
            former = kept.pop(entry_id, state)
            if former is not state:
                self._count(former, State.UNREAD, 1)
