"""When the next read may begin: reads that come back less than full keep a distance."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pacing:
    """Under a steady trickle, entries gather in Redis instead of being read one by one.

    A batch costs the same whatever is in it. The distance is counted from the beginning of a read: one that has
    waited for its entry for longer is followed at once, so that at a slow pace no pause is needed.
    """

    interval_s: float

    def due_s(self, began_s: float, *, entries: int, asked_for: int) -> float:
        """When the read behind this one may begin: at once where more may be there, or where it waited itself."""
        return began_s + self.interval_s if 0 < entries < asked_for else began_s
