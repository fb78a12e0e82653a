"""The last minutes as a row of samples, for the sparklines of the page."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import trio

from telemetry.chassis import clocks, progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.journal.statistics import Statistics

INTERVAL_S = 2.0
# Three minutes: long enough to see a change, and one pixel or more for each sample on a telephone.
SAMPLES_MAX = 90


@dataclass(frozen=True, slots=True)
class Sample:
    """What happened in one interval, and how it stood at its end."""

    read_per_s: float
    """Entries."""
    written_per_s: float
    """Records that were decided by a commit: inserted, duplicates, and those that a trigger discarded."""
    acked_per_s: float
    write_ms: float | None
    """Mean duration of a COPY up to its commit; None without one."""
    lag: int | None
    pending: int | None


class Flow:
    """Owns the samples."""

    def __init__(self) -> None:
        self.samples: deque[Sample] = deque(maxlen=SAMPLES_MAX)
        self._before: tuple[Statistics, float] | None = None

    def take(self, now: Statistics, at_s: float) -> None:
        """Take a sample: what has changed since the last one. `at_s` is of a clock that only goes forward."""
        if self._before is not None:
            then, then_s = self._before
            if at_s > then_s:
                self.samples.append(_sample(then, now, at_s - then_s))
        self._before = now, at_s

    @property
    def newest(self) -> Sample | None:
        """The last one; None before the first."""
        return self.samples[-1] if self.samples else None


async def watch_flow(flow: Flow, snapshot: Callable[[], Statistics]) -> NoReturn:
    """Take a sample every other second.

    Owns the samples. Stops only when cancelled. Cancelled, it loses nothing. Raises nothing.
    """
    while True:
        with progress.working():
            flow.take(snapshot(), clocks.monotonic_s())
        await trio.sleep(INTERVAL_S)


def _sample(then: Statistics, now: Statistics, seconds: float) -> Sample:
    writes = sum(now.write_durations.counts) - sum(then.write_durations.counts)
    duration_s = now.write_durations.sum_s - then.write_durations.sum_s
    return Sample(
        read_per_s=(now.records_read - then.records_read) / seconds,
        written_per_s=(_written(now) - _written(then)) / seconds,
        acked_per_s=(now.acks - then.acks) / seconds,
        write_ms=duration_s * 1000 / writes if writes else None,
        lag=now.lag,
        pending=now.pending_entries,
    )


def _written(statistics: Statistics) -> int:
    return sum(count for name, count in statistics.position_writes.items() if name != "failed")
