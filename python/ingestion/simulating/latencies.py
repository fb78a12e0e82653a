"""Answer times in buckets: a bounded memory for any number of them, and percentiles to a hundredth of their value."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

_GROWTH: Final = math.log(1.01)
_LEAST_MS: Final = 0.001


class Latencies:
    """Counts durations; each bucket is one percent wider than the one before."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()

    def add(self, ms: float) -> None:
        """Count one."""
        self._buckets[math.ceil(math.log(max(ms, _LEAST_MS)) / _GROWTH)] += 1

    def percentile_ms(self, percent: float) -> float | None:
        """The upper bound of the bucket that `percent` of all do not exceed (nearest rank); None without any."""
        rank = max(math.ceil(self._buckets.total() * percent / 100), 1)
        seen = 0
        for bucket, count in sorted(self._buckets.items()):
            seen += count
            if seen >= rank:
                return round(math.exp(bucket * _GROWTH), 3)
        return None
