"""The two clocks, each asked in one place: simulations and tests replace them here."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

_current_time_s: ContextVar[Callable[[], float]] = ContextVar(
    "clock of this run", default=trio.current_time
)


def unix_ms() -> int:
    """The time of day: milliseconds of the Unix time. It may jump."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds of Trio's clock, which only goes forward. It starts anywhere, and is virtual in tests."""
    return _current_time_s.get()()


def monotonic_ms() -> int:
    """The same in milliseconds."""
    return round(monotonic_s() * 1000)


def ask_directly() -> None:
    """Ask the clock of this run itself, in this task and in those that it starts.

    On the way to it, trio.current_time() calls three functions, and every batch looks at the time a dozen times.
    """
    _current_time_s.set(trio.lowlevel.current_clock().current_time)
