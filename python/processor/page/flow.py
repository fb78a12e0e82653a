"""What the sparklines of the page show of an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.chassis.http.page import flow

if TYPE_CHECKING:
    from processor.journal.statistics import Statistics


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


class Flow(flow.Flow["Statistics", Sample]):
    """The samples of the processor."""

    def __init__(self) -> None:
        super().__init__(_sample)


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
