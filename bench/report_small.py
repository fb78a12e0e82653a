"""The ways to write small batches as tables and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.small_paths import SIZES
from bench.tabular import new_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from bench.small_paths import SmallPathsResult


def print_small_paths(console: Console, results: Sequence[SmallPathsResult]) -> None:
    """CPU time a batch, ours and the server's."""
    for result in results:
        table = new_table(
            f"Small batches into a {result.kind}, {result.known_percent} % known:"
            " CPU us a batch, ours + the server's, by rows",
            [str(rows) for rows in SIZES],
        )
        for way, costs in result.costs.items():
            cells = (f"{cost.ours_us:,.0f} + {cost.server_us:,.0f}" for cost in costs.values())
            table.add_row(way, *cells)
        console.print(table)
    if results:
        line = f"medians of {results[0].rounds} interleaved rounds of {results[0].batches} batches"
        console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


def small_paths_json(results: Sequence[SmallPathsResult]) -> list[dict[str, object]]:
    """The same figures for programs."""
    return [
        {
            "table": result.kind,
            "server": result.server,
            "known_percent": result.known_percent,
            "rounds": result.rounds,
            "cpu_us_per_batch": {
                way: {
                    str(rows): {"ours": round(cost.ours_us, 1), "server": round(cost.server_us, 1)}
                    for rows, cost in costs.items()
                }
                for way, costs in result.costs.items()
            },
        }
        for result in results
    ]
