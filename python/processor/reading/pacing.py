"""When the next read may begin: reads that come back less than full keep a distance."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pacing:
    """Under a steady trickle, entries gather in Redis instead of being read one by one.

    A batch costs the same whatever is in it. The distance is counted from the answer of a read: the first entry
    after a silence is read at once, since a read was already waiting for it.
    """

    interval_s: float

    def pause_s(self, *, entries: int, asked_for: int) -> float:
        """How long to wait behind a read: not at all where more may be there, or where it waited itself."""
        return self.interval_s if 0 < entries < asked_for else 0.0
