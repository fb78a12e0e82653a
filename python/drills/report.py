"""The report of a drill: one HTML file with the figures, the violations and two charts, to hand on as it is."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from drills.summary import figure_rows
from drills.svg import Series, distribution, lines

if TYPE_CHECKING:
    from pathlib import Path

    from drills.result import Result

_STYLE = (
    "body{font-family:sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1f2328;background:#fff}"
    "td{padding:.2rem 1rem .2rem 0}td+td{font-variant-numeric:tabular-nums}.bad{color:#cf222e}svg{width:100%}"
)


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
        f"{_violations(result)}{_drains(result)}<h2>Records over time</h2>{_over_time(result)}</html>\n"
    )


def _violations(result: Result) -> str:
    if not result.violations:
        return "<p>No violation.</p>"
    items = "".join(f"<li>{escape(text)}</li>" for text in result.violations)
    return f'<h2 class="bad">Violations</h2><ul class="bad">{items}</ul>'


def _drains(result: Result) -> str:
    if not result.drains_ms:
        return ""
    chart = distribution(
        result.drains_ms,
        limit=result.bounds.budget_ms,
        limit_name="drain budget",
        x_label="from the stop request to the end of the process, ms (logarithmic)",
    )
    return f"<h2>Drain</h2>{chart}"


def _over_time(result: Result) -> str:
    samples = result.samples
    return lines(
        [
            Series("published", [(each.at_s, each.published) for each in samples]),
            Series("read", [(each.at_s, each.read) for each in samples]),
            Series("acked", [(each.at_s, each.acked) for each in samples]),
            Series("released", [(each.at_s, each.released) for each in samples]),
        ],
        x_label="seconds since the start",
    )
