"""The figures of the servers after a replay, and the figures that are right."""

from __future__ import annotations

import dataclasses
import json
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypedDict, cast

import psycopg
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from redis import Redis

GROUP = "processor"
METRICS_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Figures:
    """The outcome of a replay; the frames are the devices' own count, all else comes from a server."""

    frames: int
    """Frames that devices sent, repeats left out."""
    frames_answered: int
    """Frames that tcp-ingestion answered with their number of records."""
    records: int
    """Entries ever added to the stream, by Redis."""
    inserted: int
    """Rows in the table, by PostgreSQL."""
    duplicates: int
    """Records that the table had already, by the processor's metrics."""
    rejected: int
    """Entries that are no positions, by the processor's metrics."""
    lag: int
    """Entries not yet delivered to the group, by Redis."""
    pending: int
    """Entries delivered and not acknowledged, by Redis."""

    def differences(self, truth: Figures) -> list[str]:
        """One line for each number that differs from `truth`."""
        mine, true = dataclasses.asdict(self), dataclasses.asdict(truth)
        return [
            f"{name}: {mine[name]:,} instead of {true[name]:,}"
            for name in mine
            if mine[name] != true[name]
        ]


def drive_truth(devices: int) -> Figures:
    """What is right when so many devices send the capture.

    Counted in it by an independent decoder; inserted are the distinct timestamps.
    """
    return Figures(
        frames=3208 * devices,
        frames_answered=3208 * devices,
        records=13_732 * devices,
        inserted=12_375 * devices,
        duplicates=1_357 * devices,
        rejected=0,
        lag=0,
        pending=0,
    )


class SentFrames(NamedTuple):
    """What devices did."""

    sent: int
    answered: int


@dataclass(frozen=True)
class Summary:
    """The figures, and how long it took from the first entry to the last acknowledgement."""

    figures: Figures
    seconds: float

    @property
    def records_per_second(self) -> int:
        """Rounded down."""
        return int(self.figures.records / self.seconds)

    def as_json(self) -> str:
        """One JSON object on one line."""
        return json.dumps(
            {
                **dataclasses.asdict(self.figures),
                "seconds": round(self.seconds, 3),
                "records_per_second": self.records_per_second,
            }
        )

    def as_text(self) -> str:
        """A table for people, with the source of each number."""
        figures = self.figures
        lines = [
            ("frames sent", f"{figures.frames:,}", "devices"),
            ("frames answered", f"{figures.frames_answered:,}", "devices"),
            ("records in the stream", f"{figures.records:,}", "Redis"),
            ("rows inserted", f"{figures.inserted:,}", "PostgreSQL"),
            ("duplicates", f"{figures.duplicates:,}", "processor's metrics"),
            ("rejected", f"{figures.rejected:,}", "processor's metrics"),
            ("lag", f"{figures.lag:,}", "Redis"),
            ("pending", f"{figures.pending:,}", "Redis"),
            ("seconds, first entry to last ack", f"{self.seconds:.2f}", "Redis"),
            ("records per second", f"{self.records_per_second:,}", ""),
        ]
        return "\n".join(f"{what:<34}{number:>10}  {who}".rstrip() for what, number, who in lines)


class GroupState(TypedDict):
    """The part of XINFO GROUPS that shows whether the group has finished."""

    name: bytes
    lag: int | None
    pending: int


def group_state(client: Redis, stream: str) -> GroupState:
    """The state of the processor's group in Redis."""
    groups = cast("list[GroupState]", client.xinfo_groups(stream))
    return next(group for group in groups if group["name"] == GROUP.encode())


def collect(
    sent: SentFrames, client: Redis, stream: str, database_url: str, metrics_url: str
) -> Figures:
    """Ask Redis, PostgreSQL and the processor's metrics, once the group has finished."""
    group = group_state(client, stream)
    metrics = read_metrics(metrics_url)
    return Figures(
        frames=sent.sent,
        frames_answered=sent.answered,
        records=int(client.xinfo_stream(stream)["entries-added"]),
        inserted=count_rows(database_url),
        duplicates=metrics.get(("processor_position_writes_total", "duplicate"), 0),
        rejected=sum(
            value for (name, _), value in metrics.items() if name == "processor_decode_errors_total"
        ),
        lag=group["lag"] if group["lag"] is not None else -1,
        pending=group["pending"],
    )


def count_rows(database_url: str) -> int:
    """Rows in the table, faulty ones included."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM positions").fetchone()
    assert row is not None
    return int(row[0])


def read_metrics(url: str) -> dict[tuple[str, str], int]:
    """The counters by (name, value of its first label or "")."""
    with urllib.request.urlopen(url, timeout=METRICS_TIMEOUT_S) as response:  # noqa: S310  # our own
        text = response.read().decode()
    return {
        (sample.name, next(iter(sample.labels.values()), "")): int(sample.value)
        for family in text_string_to_metric_families(text)
        if family.type == "counter"
        for sample in family.samples
    }
