"""The clocks, asked in one place. A simulation replaces the time of day here, and Trio's clock in Trio."""

from __future__ import annotations

import time

import trio


def unix_ms() -> int:
    """Milliseconds of the Unix time."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Milliseconds of the clock that the tasks wait by, which never goes back."""
    return round(trio.current_time() * 1000)
