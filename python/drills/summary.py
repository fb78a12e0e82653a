"""What a drill says to people: a table of its figures, and its violations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from drills.result import Result

VIOLATIONS_SHOWN_MAX = 20


def figure_rows(result: Result) -> list[tuple[str, str]]:
    """Each figure with its name."""
    figures = result.figures()
    codes = ", ".join(f"{code} ({count}x)" for code, count in figures["exit_codes"].items())
    return [
        ("fault", figures["fault"]),
        ("rounds", f"{figures['rounds']:,} in {figures['seconds']:,.0f} s, seed {figures['seed']}"),
        ("exit codes", codes),
        ("records published", f"{figures['published']:,}"),
        ("rows", f"{figures['rows']:,}"),
        ("lost", f"{figures['lost']:,}"),
        ("written twice", f"{figures['written_twice']:,}"),
        ("dead letters", f"{figures['dead_lettered']:,}"),
        ("pending at the end", f"{figures['left_pending']:,}"),
        ("released", f"{figures['released']:,}"),
        ("of them never read", f"{figures['released_unread']:,}"),
        (
            "released until taken over, p50 / max",
            _times(figures, "takeover_ms_p50", "takeover_ms_max"),
        ),
        ("drain, p50 / p99 / max", _times(figures, "drain_ms_p50", "drain_ms_p99", "drain_ms_max")),
        ("drain budget", f"{figures['drain_budget_ms']:,} ms"),
        ("violations", f"{figures['violations']:,}"),
    ]


def as_table(result: Result) -> Table:
    """The figures for a terminal."""
    table = Table(title=result.name, show_header=False)
    for name, value in figure_rows(result):
        table.add_row(name, value)
    return table


def violation_lines(result: Result) -> list[str]:
    """The first violations, and how many more there are."""
    shown = list(result.violations[:VIOLATIONS_SHOWN_MAX])
    more = len(result.violations) - len(shown)
    return [*shown, f"... and {more} more"] if more else shown


def _times(figures: dict[str, float | None], *names: str) -> str:
    values = [figures[name] for name in names]
    if None in values:
        return "-"
    return " / ".join(f"{value:,.0f}" for value in values) + " ms"
