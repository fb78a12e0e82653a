"""Report, the plots: matplotlib draws them as SVG, which a page can hold. Only this module needs the extra `plots`."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from drills.result import Result, Series

_SIZE_INCHES = (8.6, 3.2)
_BINS = 40
_BLUE, _RED = "#0969da", "#cf222e"
_LINES = {"published": "#6e7781", "read": _BLUE, "acked": "#1a7f37", "released": _RED}
# It would have a date and addresses on the web.
_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}


def drain_plot(result: Result) -> str:
    """How often a drain took how long, beside the drain budget.

    The axis is logarithmic: drains take milliseconds and the budget is seconds, so that on a linear one all would be a
    single bar.
    """
    figure, axes = _figure()
    budget_ms = result.bounds.budget_ms
    drains_ms = [max(each, 1.0) for each in result.drains_ms]
    low, high = min(*drains_ms, budget_ms) / 1.1, max(*drains_ms, budget_ms) * 1.1
    axes.hist(
        drains_ms, bins=np.geomspace(low, high, _BINS + 1).tolist(), color=_BLUE, label="rounds"
    )
    axes.axvline(budget_ms, color=_RED, linestyle="--", label="drain budget")
    axes.set_xscale("log")
    axes.set_xlabel("from the stop request to the end of the process, ms (logarithmic)")
    axes.xaxis.set_major_formatter(FuncFormatter(_with_thousands))
    return _as_svg(figure)


def records_plot(series: Series) -> str:
    """Totals of records over time."""
    figure, axes = _figure()
    for name, totals in series.totals.items():
        axes.plot(list(series.seconds), list(totals), color=_LINES[name], label=name)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds since the start")
    return _as_svg(figure)


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#d0d7de")
    axes.set_axisbelow(True)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(_with_thousands))
    return figure, axes


def _with_thousands(value: float, _position: int | None) -> str:
    return f"{value:,.0f}"


def _as_svg(figure: Figure) -> str:
    """The element alone, without the declarations of a file."""
    figure.legend(loc="outside right upper", frameon=False)
    text = io.StringIO()
    # Text stays text, which can be searched and copied.
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata=_METADATA)
    svg = text.getvalue()
    return svg[svg.index("<svg") :]
