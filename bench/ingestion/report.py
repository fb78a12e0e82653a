"""The ingestion's figures as tables and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from bench.ingestion.targets import cpu_ratio, targets
from bench.tabular import new_table
from bench.targets import targets_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.table import Table

    from bench.ingestion.comparison import IngestionResult

SENDING_COLUMNS = (
    "µs/frame",
    "µs/record",
    "Redis",
    "frames/s",
    "p50 ms",
    "p99 ms",
    "MB",
    "by it",
)
CROWD_COLUMNS = ("KB/connection", "MB in all", "logins s", "p99 ms")


def print_ingestion(console: Console, result: IngestionResult) -> None:
    """A table for each workload, one of crowds, and the targets."""
    for workload in result.scale.workloads:
        table = new_table(workload.title, SENDING_COLUMNS)
        for name, figures in result.sending[workload.name].items():
            table.add_row(
                name,
                f"{figures.cpu_us_per_frame:.1f}",
                f"{figures.cpu_us_per_record:.2f}",
                f"{figures.redis_cpu_us_per_record:.2f}",
                f"{figures.frames_per_second:,.0f}",
                f"{figures.p50_ms:.2f}",
                f"{figures.p99_ms:.2f}",
                f"{figures.resident_bytes / 1e6:.0f}",
                f"{cpu_ratio(result, workload.name, name):.2f}",
            )
        console.print(table)
    console.print(_crowds_table(result))
    console.print(targets_table(targets(result)))
    for line in _remarks(result):
        console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


def _remarks(result: IngestionResult) -> Iterator[str]:
    drain, scale = result.drain, result.scale
    yield (
        f"medians, interleaved rounds: {scale.rounds}, of {scale.seconds:g} s;"
        f" {result.redis}, appendfsync everysec;"
        f" load average {result.load_before:.1f} before, {result.load_after:.1f} behind"
    )
    yield (
        "µs: CPU time; Redis: its own, µs a record; by it: CPU time a record of tcp-ingestion by this service's;"
        " p99 of connections: of 200 senders while the others log in"
    )
    yield (
        f"drain: exit code {drain.exit_code}; {drain.answered_records:,} records answered,"
        f" {drain.entries:,} entries, {drain.unanswered:,} frames without an answer"
    )
    yield from (f"{name}: {title}" for name, title in result.titles.items())


def _crowds_table(result: IngestionResult) -> Table:
    table = new_table(f"{result.scale.connections:,} connections", CROWD_COLUMNS)
    for name, silence in result.silence.items():
        storm = result.storms[name]
        table.add_row(
            name,
            f"{silence.bytes_per_connection / 1e3:.1f}",
            f"{silence.resident_bytes / 1e6:.0f}",
            f"{storm.logins_s:.2f}",
            f"{storm.senders_p99_ms:.1f}",
        )
    return table


def ingestion_json(result: IngestionResult) -> dict[str, object]:
    """The same figures for programs."""
    figures = asdict(result)
    figures["targets"] = [{**asdict(target), "met": target.is_met} for target in targets(result)]
    return figures
