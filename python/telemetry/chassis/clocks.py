"""The two clocks, each asked in one place: simulations and tests replace them here."""

from __future__ import annotations

import time

import trio


def unix_ms() -> int:
    """The time of day: milliseconds of the Unix time. It may jump."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds of Trio's clock, which only goes forward. It starts anywhere, and is virtual in tests."""
    return trio.current_time()


def monotonic_ms() -> int:
    """The same in milliseconds."""
    return round(trio.current_time() * 1000)
