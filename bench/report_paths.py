"""The write paths and the ways of bisection as tables and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from bench.bisection import SAVEPOINTS, TRANSACTIONS
from bench.paths import BATCH_ROWS, KNOWN_PERCENTS
from bench.report_small import print_small_paths, small_paths_json
from bench.tabular import new_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from bench.bisection import BisectionResult
    from bench.paths import PathsResult
    from bench.small_paths import SmallPathsResult

WritePaths: TypeAlias = (
    "tuple[Sequence[PathsResult], Sequence[SmallPathsResult], Sequence[BisectionResult]]"
)


def print_paths(
    console: Console,
    paths: Sequence[PathsResult],
    small: Sequence[SmallPathsResult],
    bisections: Sequence[BisectionResult],
) -> None:
    """Rows per second of each path and what it reaches of staging; then small batches, and the ways of bisection."""
    for result in paths:
        table = new_table(
            f"Batches of {BATCH_ROWS:,} rows into a {result.kind}:"
            " rows/s, and beside always staging, by known rows",
            [f"{percent} %" for percent in KNOWN_PERCENTS],
        )
        for path, rates in result.rows_per_second.items():
            cells = (f"{rate:,.0f} ({result.ratio(path, at):.2f})" for at, rate in rates.items())
            table.add_row(path, *cells)
        console.print(table)
        _print_dim(
            console,
            f"medians of {result.rounds} interleaved rounds of {result.batches} batches;"
            f" {result.server}; fsync off, synchronous_commit on",
        )
    print_small_paths(console, small)
    table = new_table(
        f"One refused row among {BATCH_ROWS:,}: ms until the others are committed",
        [TRANSACTIONS, SAVEPOINTS],
    )
    for each in bisections:
        name = f"{each.kind}, fsync {'on' if each.fsync else 'off'}"
        times = (each.transactions_s, each.savepoints_s)
        table.add_row(name, *(f"{seconds * 1000:,.0f}" for seconds in times))
    console.print(table)


def paths_json(
    paths: Sequence[PathsResult],
    small: Sequence[SmallPathsResult],
    bisections: Sequence[BisectionResult],
) -> dict[str, object]:
    """The same figures for programs."""
    return {
        "paths": [
            {
                "table": result.kind,
                "server": result.server,
                "rounds": result.rounds,
                "rows_per_second": {
                    path: {str(at): round(rate) for at, rate in rates.items()}
                    for path, rates in result.rows_per_second.items()
                },
            }
            for result in paths
        ],
        "small_batches": small_paths_json(small),
        "bisection": [
            {
                "table": each.kind,
                "server": each.server,
                "fsync": each.fsync,
                "transactions_ms": round(each.transactions_s * 1000, 1),
                "savepoints_ms": round(each.savepoints_s * 1000, 1),
            }
            for each in bisections
        ],
    }


def _print_dim(console: Console, line: str) -> None:
    console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)
