"""What the sparklines of the page show of an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.chassis.http.page import flow

if TYPE_CHECKING:
    from ingestion.journal.statistics import Statistics


@dataclass(frozen=True, slots=True)
class Sample:
    """What happened in one interval, and how it stood at its end."""

    frames_per_s: float
    """Frames that Redis has confirmed."""
    records_per_s: float
    """Their records."""
    refused_per_s: float
    """Frames that were refused or dropped, for whatever reason."""
    overflows: int
    """Frames of the interval that were dropped since the publish queue was full."""
    publish_ms: float | None
    """Mean time from a frame's acceptance to its confirmation; None without one."""
    connections: int
    queue_records: int


class Flow(flow.Flow["Statistics", Sample]):
    """The samples of tcp-ingestion."""

    def __init__(self) -> None:
        super().__init__(_sample)

    @property
    def overflows(self) -> int:
        """Frames of the last three minutes that were dropped since the publish queue was full."""
        return sum(each.overflows for each in self.samples)


def _sample(then: Statistics, now: Statistics, seconds: float) -> Sample:
    published = sum(now.publish_durations.counts) - sum(then.publish_durations.counts)
    duration_s = now.publish_durations.sum_s - then.publish_durations.sum_s
    records = sum(now.records_published.values()) - sum(then.records_published.values())
    return Sample(
        frames_per_s=published / seconds,
        records_per_s=records / seconds,
        refused_per_s=(_refused(now) - _refused(then)) / seconds,
        overflows=now.overflows - then.overflows,
        publish_ms=duration_s * 1000 / published if published else None,
        connections=now.load.connections,
        queue_records=now.load.queue_records,
    )


def _refused(now: Statistics) -> int:
    return sum(frames for (_, result), frames in now.frames.items() if result != "ok")
