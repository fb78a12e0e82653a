"""The paced figures as tables and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from bench.paced.targets import targets
from bench.tabular import new_table
from bench.targets import targets_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.table import Table

    from bench.paced.result import PacedResult

COLUMNS = (
    "CPU µs",
    "by best",
    "p50 ms",
    "p99 ms",
    "rows",
    "Redis",
    "Postgres",
    "MB",
)
# From here on a decimal would be noise.
WHOLE_US = 100


def print_paced(console: Console, result: PacedResult) -> None:
    """A table for each pace, and the targets."""
    for pace in result.scale.paces:
        console.print(_pace_table(result, pace))
    if result.peers:
        console.print(targets_table(targets(result)))
    for line in _remarks(result):
        console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


def _pace_table(result: PacedResult, pace: int) -> Table:
    table = new_table(f"{pace:,} records/s, 100 warm devices", COLUMNS)
    for name, figures in result.figures[pace].items():
        ratio = result.cpu_by_best_peer(pace, name)
        table.add_row(
            name,
            _us(figures.cpu_us_per_record),
            "" if ratio is None else f"{ratio:.2f}",
            f"{figures.p50_ms:.1f}",
            f"{figures.p99_ms:.1f}",
            f"{figures.records_per_commit:,.1f}",
            _us(figures.redis_cpu_us_per_record),
            _us(figures.postgres_cpu_us_per_record),
            f"{figures.resident_bytes / 1e6:.0f}",
        )
    return table


def _us(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= WHOLE_US else f"{figure:.1f}"


def _remarks(result: PacedResult) -> Iterator[str]:
    scale = result.scale
    yield (
        f"medians, interleaved rounds: {scale.rounds}, of {scale.seconds:g} s; {result.servers};"
        f" load average {result.load_before:.1f} before, {result.load_after:.1f} behind"
    )
    yield (
        "µs: CPU time a record, Redis' and PostgreSQL's own beside it; by best: by the best peer's;"
        " p50, p99: from XADD to commit, by the commit's time that PostgreSQL keeps; rows: of a transaction"
    )
    late_ms = max(each.late_p99_ms for row in result.figures.values() for each in row.values())
    yield f"99 of 100 sends came at most {late_ms:.1f} ms late; more than a few mean a busy machine, and bursts"
    yield from (f"{name}: {title}" for name, title in result.titles.items())


def paced_json(result: PacedResult) -> dict[str, object]:
    """The same figures for programs."""
    figures = asdict(result)
    figures["targets"] = [{**asdict(target), "met": target.is_met} for target in targets(result)]
    figures["cpu_by_best_peer"] = {
        pace: {name: result.cpu_by_best_peer(pace, name) for name in measured}
        for pace, measured in result.figures.items()
    }
    return figures
