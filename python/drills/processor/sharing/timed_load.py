"""Run, the load: when each record was published."""

from __future__ import annotations

import time
from bisect import bisect_right
from typing import TYPE_CHECKING

from drills.processor.load import Load

if TYPE_CHECKING:
    from drills.processor.load import Drive
    from drills.processor.stream import DrillStream


class TimedLoad(Load):
    """A load that knows how old each of its records is."""

    def __init__(self, stream: DrillStream, drive: Drive) -> None:
        super().__init__(stream, drive)
        # Of each publication: its first record, and when it began. In threads, where Trio has no clock.
        self._firsts: list[int] = []
        self._moments_s: list[float] = []

    def age_s(self, number: int) -> float:
        """How long ago a record was published."""
        publication = bisect_right(self._firsts, number) - 1
        return time.monotonic() - self._moments_s[publication]

    def _publish_next(self, size: int) -> None:
        began_s = time.monotonic()
        self._firsts.append(self.published)
        self._moments_s.append(began_s)
        super()._publish_next(size)
