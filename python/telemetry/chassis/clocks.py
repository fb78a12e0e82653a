"""The time of day, asked for in one place, where a simulation of days can replace it."""

from __future__ import annotations

import time


def unix_ms() -> int:
    """Milliseconds of the Unix time."""
    return time.time_ns() // 1_000_000
