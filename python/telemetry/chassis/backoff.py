"""How long to wait before the next try: exponential, capped, with full jitter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Doubling any base of a millisecond or more this often passes a day; further powers only grow.
DOUBLINGS_MAX = 32


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pauses between tries.

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
        """The pause after so many failures in a row (from 1); None when no try is left.

        `random` gives numbers from 0 up to 1.
        """
        if failures < 1:
            raise ValueError(f"a pause follows a failure, there were {failures}")
        if self.attempts_max is not None and failures >= self.attempts_max:
            return None
        return random() * self.bound_ms(failures)

    def bound_ms(self, failures: int) -> int:
        """The longest pause after so many failures in a row."""
        return min(self.max_ms, self.base_ms << min(failures - 1, DOUBLINGS_MAX))
