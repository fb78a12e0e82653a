"""Trying again: how long to wait after a failure, and the counting, reporting and waiting around it."""

from __future__ import annotations

from dataclasses import dataclass
from random import random
from typing import TYPE_CHECKING

from telemetry.chassis import progress

if TYPE_CHECKING:
    from collections.abc import Callable

BACKOFF_BASE_MS = 100
# Doubling any base of a millisecond or more this often passes a day; further powers only grow.
DOUBLINGS_MAX = 32
FAILOVER_PAUSE_MS_MAX = 1_000
"""Of a service that knows several servers: the one that takes over is found as soon."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pauses between tries: exponential, capped, with full jitter.

    Full jitter, a pause anywhere between nothing and the exponential bound, spreads the tries of
    several instances best: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    base_ms: int
    """Bound of the first pause; it doubles with every failure."""
    max_ms: int
    """Bound of every pause."""
    attempts_max: int | None = None
    """Tries altogether; None: never give up."""

    def pause_ms(self, failures: int, random: Callable[[], float]) -> float | None:
        """The pause after this many failures in a row, from 1; None when no try is left.

        `random` gives numbers from 0 up to 1.
        """
        if failures < 1:
            raise ValueError(f"a pause follows a failure, there were {failures}")
        if self.attempts_max is not None and failures >= self.attempts_max:
            return None
        return random() * self.bound_ms(failures)

    def bound_ms(self, failures: int) -> int:
        """The longest pause after this many failures in a row."""
        return min(self.max_ms, self.base_ms << min(failures - 1, DOUBLINGS_MAX))


def for_ever(max_ms: int, *, several_servers: bool) -> Backoff:
    """The pauses between tries of a service that runs; a service may know several servers to turn to."""
    most = min(max_ms, FAILOVER_PAUSE_MS_MAX) if several_servers else max_ms
    return Backoff(base_ms=BACKOFF_BASE_MS, max_ms=most)


class Retries:
    """The failures of one thing that is tried again and again, and the pause after each.

    The caller tries, awaits `pause` after each failure, and calls `reset` after a success.
    """

    def __init__(self, backoff: Backoff, *, first_at_once: bool = False) -> None:
        """`first_at_once`: no pause follows the first failure, and the pauses begin with the second."""
        self.failures = 0
        """In a row."""
        self._backoff = backoff
        self._unpaused = int(first_at_once)

    def reset(self, failures: int = 0) -> None:
        """Count from here again."""
        self.failures = failures

    async def pause(self, report: Callable[[int], None], *, fixed_ms: int | None = None) -> bool:
        """Count a failure, call `report` with the pause in ms, and wait for that long, or for `fixed_ms`.

        False at once, without a report, when no try is left.
        """
        self.failures += 1
        pause_ms = self._pause_ms() if fixed_ms is None else fixed_ms
        if pause_ms is None:
            return False
        report(round(pause_ms))
        await progress.pause(pause_ms / 1000)
        return True

    def _pause_ms(self) -> float | None:
        paused = self.failures - self._unpaused
        return self._backoff.pause_ms(paused, random) if paused else 0.0
