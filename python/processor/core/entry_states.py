"""The states of an entry, the events that change them, and the table of transitions.

`TABLE` is the rule, and all of it. Read it from the top:

- An entry is in one state, seen from one process. A state is counted in one field of the ledger, which
  changes with the transition and with nothing else.
- A transition that is not in `TABLE` and not in `ILLEGAL` does not happen: the event changes nothing. Redis
  may repeat any news, and may send it late. A failover, XGROUP SETID or a group that is created again can
  deliver everything since the last save a second time.
- An event in `ILLEGAL` cannot happen unless this program is wrong. It raises, and the state is kept.

ACKED, DEAD_LETTERED and RELEASED are final: such an entry stays counted as it is when it is delivered again.
Only an acknowledgement still changes a dead letter, since it shows that the record is in the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final


class State(Enum):
    """What this process knows of an entry."""

    # Members are singletons. Enum hashes their names in Python, and every batch looks up two dozen of them.
    __hash__ = object.__hash__

    UNREAD = "unread"
    """It was never delivered here, as far as is known."""
    RELEASED_UNREAD = "released_unread"
    """The same; Redis had it pending under our name, and it was released at the stop."""
    IN_FLIGHT = "in_flight"
    """It was read, and nothing is decided yet."""

    REFUSED = "refused"
    """Left pending with a recorded failure."""
    SET_ASIDE = "set_aside"
    """Left pending without one: its trial was taken back, or Redis refuses to record its failure."""
    LOST = "lost"
    """Trimmed or deleted from the stream before it was written."""
    TAKEN_OVER = "taken_over"
    """Settled or claimed by another consumer."""

    ACKED = "acked"
    """Named in an XACK that was answered."""
    DEAD_LETTERED = "dead_lettered"
    RELEASED = "released"
    """Undecided at the stop, and made claimable for others."""

    ACKED_AGAIN = "acked_again"
    """It was acknowledged, and is in flight again."""
    DEAD_LETTERED_AGAIN = "dead_lettered_again"
    RELEASED_AGAIN = "released_again"

    @property
    def is_in_flight(self) -> bool:
        """Whether it was delivered and the delivery is not settled."""
        return self is State.IN_FLIGHT or self in AGAIN

    @property
    def is_read(self) -> bool:
        """Whether the ledger counts it as read."""
        return self not in {State.UNREAD, State.RELEASED_UNREAD}

    @property
    def counted_as(self) -> State:
        """The state whose count it is in: its former one, if it is in flight again."""
        return AGAIN.get(self, self)


class Event(Enum):
    """What happens to an entry, or turns out to have happened."""

    __hash__ = object.__hash__

    READ = "read"
    """It was delivered, for the first time or again."""
    ACKED = "acked"
    """An answered XACK names it."""
    REFUSED = "refused"
    """Its failure is recorded, and it stays pending."""
    SET_ASIDE = "set_aside"
    """It stays pending without a recorded failure."""
    DEAD_LETTERED = "dead_lettered"
    TAKEN_OVER = "taken_over"
    MISSING = "missing"
    """Redis took it off a pending list, because the stream does not have it. One in flight is still written."""
    LOST = "lost"
    """The stream does not have it when its failure is to be recorded: it cannot be written."""
    RELEASED = "released"


class IllegalEvent(Exception):
    """This program reports what cannot happen. Nothing was changed."""


LEFT_PENDING: Final = frozenset({State.REFUSED, State.SET_ASIDE})
AGAIN: Final[Mapping[State, State]] = {
    State.ACKED_AGAIN: State.ACKED,
    State.DEAD_LETTERED_AGAIN: State.DEAD_LETTERED,
    State.RELEASED_AGAIN: State.RELEASED,
}
"""States of entries that are in flight once more, with the final state in which they stay counted."""

_ENDS_A_FLIGHT: Final = (
    Event.ACKED, Event.REFUSED, Event.SET_ASIDE, Event.DEAD_LETTERED, Event.TAKEN_OVER, Event.LOST, Event.RELEASED,
)  # fmt: skip

TABLE: Final[Mapping[tuple[State, Event], State]] = {
    # Most entries: read, written, acknowledged.
    (State.UNREAD, Event.READ): State.IN_FLIGHT,
    (State.IN_FLIGHT, Event.ACKED): State.ACKED,
    # The other ends of a flight.
    (State.IN_FLIGHT, Event.REFUSED): State.REFUSED,
    (State.IN_FLIGHT, Event.SET_ASIDE): State.SET_ASIDE,
    (State.IN_FLIGHT, Event.DEAD_LETTERED): State.DEAD_LETTERED,
    (State.IN_FLIGHT, Event.TAKEN_OVER): State.TAKEN_OVER,
    (State.IN_FLIGHT, Event.LOST): State.LOST,
    (State.IN_FLIGHT, Event.RELEASED): State.RELEASED,
    # News of an entry that was never delivered.
    (State.UNREAD, Event.DEAD_LETTERED): State.DEAD_LETTERED,
    (State.UNREAD, Event.MISSING): State.LOST,
    (State.UNREAD, Event.LOST): State.LOST,
    (State.UNREAD, Event.RELEASED): State.RELEASED_UNREAD,
    (State.RELEASED_UNREAD, Event.READ): State.IN_FLIGHT,
    (State.RELEASED_UNREAD, Event.DEAD_LETTERED): State.DEAD_LETTERED,
    (State.RELEASED_UNREAD, Event.MISSING): State.LOST,
    (State.RELEASED_UNREAD, Event.LOST): State.LOST,
    # Left pending: the recorded failure, or the trial, is not the last word.
    (State.REFUSED, Event.READ): State.IN_FLIGHT,
    (State.REFUSED, Event.ACKED): State.ACKED,
    (State.REFUSED, Event.DEAD_LETTERED): State.DEAD_LETTERED,
    (State.REFUSED, Event.TAKEN_OVER): State.TAKEN_OVER,
    (State.REFUSED, Event.MISSING): State.LOST,
    (State.REFUSED, Event.LOST): State.LOST,
    (State.SET_ASIDE, Event.READ): State.IN_FLIGHT,
    (State.SET_ASIDE, Event.ACKED): State.ACKED,
    (State.SET_ASIDE, Event.REFUSED): State.REFUSED,
    (State.SET_ASIDE, Event.DEAD_LETTERED): State.DEAD_LETTERED,
    (State.SET_ASIDE, Event.TAKEN_OVER): State.TAKEN_OVER,
    (State.SET_ASIDE, Event.MISSING): State.LOST,
    (State.SET_ASIDE, Event.LOST): State.LOST,
    # Lost or taken over: a failover may bring it back, a peer may leave it to us, and a write may have been on its way.
    (State.LOST, Event.READ): State.IN_FLIGHT,
    (State.LOST, Event.ACKED): State.ACKED,
    (State.LOST, Event.DEAD_LETTERED): State.DEAD_LETTERED,
    (State.LOST, Event.TAKEN_OVER): State.TAKEN_OVER,
    (State.TAKEN_OVER, Event.READ): State.IN_FLIGHT,
    (State.TAKEN_OVER, Event.ACKED): State.ACKED,
    (State.TAKEN_OVER, Event.DEAD_LETTERED): State.DEAD_LETTERED,
    (State.TAKEN_OVER, Event.MISSING): State.LOST,
    (State.TAKEN_OVER, Event.LOST): State.LOST,
    # Final, and delivered again: whatever ends this flight, the entry was decided before.
    **{(final, Event.READ): again for again, final in AGAIN.items()},
    **{(again, event): final for again, final in AGAIN.items() for event in _ENDS_A_FLIGHT},
    # But an acknowledged record is in the table.
    (State.DEAD_LETTERED, Event.ACKED): State.ACKED,
    (State.DEAD_LETTERED_AGAIN, Event.ACKED): State.ACKED,
}  # fmt: skip

ILLEGAL: Final = frozenset({(State.UNREAD, Event.ACKED), (State.RELEASED_UNREAD, Event.ACKED)})
"""Nothing is acknowledged that was not read."""


def next_state(state: State, event: Event) -> State:
    """The state after an event, the same if the event changes nothing. Raises IllegalEvent."""
    if (state, event) in ILLEGAL:
        raise IllegalEvent(f"an entry that is {state.value} cannot be {event.value}")
    return TABLE.get((state, event), state)
