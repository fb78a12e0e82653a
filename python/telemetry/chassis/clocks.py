"""The time of day, asked for in one place: who simulates days replaces it there."""

from __future__ import annotations

import time


def unix_ms() -> int:
    """Milliseconds of the Unix time."""
    return time.time_ns() // 1_000_000
