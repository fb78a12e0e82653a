"""Report: the figures as a table for the terminal, and one HTML file with the figures, the violations and the plots."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from rich.table import Table

from drills.result import times

if TYPE_CHECKING:
    from pathlib import Path

    from drills.result import Result

VIOLATIONS_SHOWN_MAX = 20
WITHOUT_PLOTS = "Without plots: they need matplotlib, which pip install 'processor[plots]' brings."
_STYLE = (
    "body{font-family:sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1f2328;background:#fff}"
    "td{padding:.2rem 1rem .2rem 0}td+td{font-variant-numeric:tabular-nums}.bad{color:#cf222e}"
    "svg{width:100%;height:auto}"
)


def figure_rows(result: Result) -> list[tuple[str, str]]:
    """Each figure with its name."""
    figures = result.figures()
    codes = ", ".join(f"{code} ({count}x)" for code, count in figures["exit_codes"].items())
    return [
        ("fault", figures["fault"]),
        ("rounds", f"{figures['rounds']:,} in {figures['seconds']:,.0f} s, seed {figures['seed']}"),
        ("exit codes", codes),
        *result.finding_rows(),
        (
            "drain, p50 / p99 / max",
            times(figures["drain_ms_p50"], figures["drain_ms_p99"], figures["drain_ms_max"]),
        ),
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


def write_report(result: Result, directory: Path) -> Path:
    """Write `<name of the drill>-<fault>.html`, and return its path. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{result.name}-{result.fault.value}.html"
    file.write_text(as_html(result), encoding="utf-8")
    return file


def as_html(result: Result) -> str:
    """The whole page."""
    title = f"{result.name}: {result.fault.value}"
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>"
        for name, value in figure_rows(result)
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style><h1>{escape(title)}</h1><table>{rows}</table>"
        f"{_violations(result)}{_plots(result)}</html>\n"
    )


def _violations(result: Result) -> str:
    if not result.violations:
        return "<p>No violation.</p>"
    items = "".join(f"<li>{escape(text)}</li>" for text in result.violations)
    return f'<h2 class="bad">Violations</h2><ul class="bad">{items}</ul>'


def _plots(result: Result) -> str:
    try:
        # Imported late, and where it is installed: the image does without it.
        from drills.plots import drain_plot, records_plot  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        if missing.name != "matplotlib":
            raise
        return f"<p>{escape(WITHOUT_PLOTS)}</p>"
    drains = f"<h2>Drain</h2>{drain_plot(result)}" if result.drains_ms else ""
    series = result.series()
    return drains + (f"<h2>Records over time</h2>{records_plot(series)}" if series else "")
