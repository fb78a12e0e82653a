"""The last minutes as a row of samples, for the sparklines of the page."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Generic, NoReturn, TypeVar

import trio

from telemetry.chassis import clocks, progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import DataclassInstance

INTERVAL_S: Final = 2.0
# Three minutes: long enough to see a change, and one pixel or more for each sample on a telephone.
SAMPLES_MAX: Final = 90

S = TypeVar("S")
T = TypeVar("T", bound="DataclassInstance")


class Flow(Generic[S, T]):
    """Owns the samples: T, what happened in an interval, is made of the statistics S at its two ends."""

    def __init__(self, sample: Callable[[S, S, float], T]) -> None:
        """`sample` gets the statistics of then and now, and the seconds between them."""
        self.samples: deque[T] = deque(maxlen=SAMPLES_MAX)
        self._sample = sample
        self._before: tuple[S, float] | None = None

    def take(self, now: S, at_s: float) -> None:
        """Take a sample: what has changed since the last one. `at_s` is of a clock that only goes forward."""
        if self._before is not None:
            then, then_s = self._before
            if at_s > then_s:
                self.samples.append(self._sample(then, now, at_s - then_s))
        self._before = now, at_s

    @property
    def newest(self) -> T | None:
        """The last one; None before the first."""
        return self.samples[-1] if self.samples else None

    def courses(self, *names: str) -> dict[str, object]:
        """The course of each of these fields, and the interval, as JSON has them."""
        courses = {name: [_short(getattr(each, name)) for each in self.samples] for name in names}
        return {"interval_s": INTERVAL_S, **courses}


async def watch_flow(flow: Flow[S, T], snapshot: Callable[[], S]) -> NoReturn:
    """Take a sample every other second.

    Owns the samples. Stops only when cancelled. Cancelled, it loses nothing. Raises nothing.
    """
    while True:
        with progress.working():
            flow.take(snapshot(), clocks.monotonic_s())
        await trio.sleep(INTERVAL_S)


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
