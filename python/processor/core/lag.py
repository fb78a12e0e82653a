"""How many entries the group has not been given yet: when Redis' own number is right, and how they are counted else.

Redis subtracts what the group has read from what was ever added. That is wrong for good once entries were trimmed or
deleted before they were delivered, or after XSETID or ENTRIESREAD were given a wrong number; and there is no number
after XDEL ahead of the group, or for a group that was created in the middle. Nothing that Redis keeps shows which of
these has happened. Its number is right where nothing was ever removed, unless somebody has set the group's counter by
hand; a wrong counter is only noticed where Redis' number is small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LAG_MAX: Final = 1_000_000
"""Entries that are counted at most."""
# Redis serves nobody else meanwhile: so many take 4 to 8 ms.
STEP_ENTRIES: Final = 2_000
# The metric may cost Redis a fiftieth of its time.
PAUSE_FACTOR: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupPosition:
    """Where a group stands in its stream, as Redis says in one moment."""

    length: int
    """Entries in the stream."""
    entries_added: int
    """Entries that were ever added to it."""
    first_id: str | None
    """Its first entry; None if it is empty."""
    delivered_id: str
    """The last id that the group was given."""
    next_id: str | None
    """The first entry behind that; None if there is nothing to deliver."""
    redis_lag: int | None
    """Redis' own number, if it gives one."""


def known_lag(at: GroupPosition) -> int | None:
    """The lag where it is known without counting; None: the entries have to be counted."""
    if at.next_id is None:
        return 0
    if at.next_id == at.first_id:
        # Nothing that was delivered is still there.
        return at.length
    nothing_was_removed = at.entries_added == at.length
    # A small number is counted all the same: it costs one step, and somebody may have set the group's counter.
    if nothing_was_removed and at.redis_lag is not None and at.redis_lag > STEP_ENTRIES:
        return at.redis_lag
    return None


class LagCount:
    """A count of the entries behind an id, in steps of STEP_ENTRIES."""

    def __init__(self, delivered_id: str) -> None:
        self.after_id = delivered_id
        """The next step counts behind it."""
        self.is_done = False
        self._entries = 0

    def take(self, entries: int, last_id: str | None) -> None:
        """What a step found: how many, and the id of the last of them."""
        self._entries += entries
        self.after_id = last_id or self.after_id
        self.is_done = entries < STEP_ENTRIES or self._entries > LAG_MAX

    @property
    def lag(self) -> int | None:
        """The number; None if there are more than LAG_MAX."""
        return self._entries if self._entries <= LAG_MAX else None


class LagMemory:
    """What the last count says until the next one is due: a long one is not made once a second."""

    def __init__(self) -> None:
        self._counted: int | None = None
        self._excess = 0
        self._due_at_s = 0.0

    def lag_meanwhile(self, at: GroupPosition, now_s: float) -> tuple[bool, int | None]:
        """Whether no count is due, and the lag then: Redis' number without its excess at the last count."""
        if now_s >= self._due_at_s:
            return False, None
        if self._counted is None or at.redis_lag is None:
            return True, self._counted
        return True, max(0, at.redis_lag - self._excess)

    def counted(
        self, at: GroupPosition, lag: int | None, *, began_s: float, ended_s: float
    ) -> None:
        """A count has ended, of a group that stood there when it began."""
        self._counted = lag
        self._excess = 0 if lag is None or at.redis_lag is None else at.redis_lag - lag
        self._due_at_s = ended_s + PAUSE_FACTOR * (ended_s - began_s)
