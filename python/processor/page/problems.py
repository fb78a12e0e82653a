"""What is wrong, as far as one instance can see it, each with what to type next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from processor.journal.statistics import CONSUMER, POSTGRES, REDIS, SCHEMA
from telemetry.chassis.lifecycle import Phase

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from processor.journal.statistics import Statistics
    from telemetry.chassis.progress import StalledTask

# As the defaults of `processor status`.
SILENT_AFTER_S = 600
LAG_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    code: str
    """As `processor status` has it; `stalled` and `entries_lost` only an instance itself can see."""
    message: str
    remedy: str
    """The next command to type."""


def problems_of(now: Statistics, stalled: Sequence[StalledTask]) -> list[Problem]:
    """The worst first. While the process starts or drains, what is not there yet or any more is no problem."""
    return [
        *_of_tasks(stalled),
        *_of_servers(now),
        *(_of_stream(now) if now.phase is Phase.RUNNING else ()),
        *_of_losses(now),
    ]


def _of_tasks(stalled: Sequence[StalledTask]) -> Iterator[Problem]:
    for task in stalled:
        yield Problem(
            "stalled",
            f"The task {task.name} has work and has taken no step for {task.stalled_s:.0f} s. Take a dump, and restart"
            " this instance: what it has in hand is pending, and is not lost.",
            "processor dump",
        )


def _of_servers(now: Statistics) -> Iterator[Problem]:
    for name, title, code, remedy in (
        (REDIS, "Redis", "redis_unreachable", "processor config"),
        (POSTGRES, "PostgreSQL", "postgres_unreachable", "processor config"),
    ):
        server = now.dependencies[name]
        is_connecting = now.phase is Phase.STARTING and server.reason == "starting"
        if not server.ready and not is_connecting:
            yield Problem(code, f"{title} cannot be used: {server.reason}", remedy)
    if reason := now.obstacles.get(SCHEMA):
        yield Problem(
            "schema_mismatch",
            f"Nothing is written: {reason}. Directus' db-init owns the table: let it run.",
            "processor schema check",
        )


def _of_stream(now: Statistics) -> Iterator[Problem]:
    stream = now.build.stream
    if reason := now.obstacles.get(CONSUMER):
        yield Problem(
            "group_missing",
            f"The stream {stream} or its group {now.build.group} is gone, and is made again: {reason}",
            "processor status",
        )
    elif now.last_entry_age_s is not None and now.last_entry_age_s > SILENT_AFTER_S:
        yield Problem(
            "silent",
            f"Nobody has published to {stream} for {now.last_entry_age_s / 60:.0f} min. See that tcp-ingestion runs,"
            " and publishes to this stream.",
            "processor lag",
        )
    if now.lag is not None and now.lag > LAG_MAX:
        yield Problem(
            "lag",
            f"{now.lag} entries wait in the stream to be read. If they become more, add an instance.",
            "processor lag --watch",
        )


def _of_losses(now: Statistics) -> Iterator[Problem]:
    if now.dead_letters_kept:
        some = (
            "1 entry is" if now.dead_letters_kept == 1 else f"{now.dead_letters_kept} entries are"
        )
        yield Problem("dead_letters", f"{some} in the dead-letter stream.", "processor dlq list")
    if now.entries_lost:
        some = "1 entry was" if now.entries_lost == 1 else f"{now.entries_lost} entries were"
        yield Problem(
            "entries_lost",
            f"{some} trimmed or deleted from the stream before this instance could write them: raise the MAXLEN that"
            " tcp-ingestion publishes with. Lines `entries lost` of the log have the ids.",
            "processor lag",
        )
