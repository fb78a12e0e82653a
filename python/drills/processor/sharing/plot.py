"""Report, the plot of one run: how far the table was behind, with what was done to the instances."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matplotlib.axes import Axes

_SIZE_INCHES = (10.0, 5.0)
_GREY, _BLUE, _RED, _GREEN = "#6e7781", "#0969da", "#cf222e", "#1a7f37"
_GONE, _BACK = {"kill -9", "SIGTERM", "SIGSTOP"}, {"started", "SIGCONT"}
# It would have a date and addresses on the web.
_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}


def lag_plot(run: Mapping[str, Any]) -> str:
    """SVG of one of `runs[]` in the figures (drills/processor/sharing/result.py)."""
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    ages, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    samples = run["samples"]
    ages.plot(samples["at_s"], samples["oldest_uncommitted_s"], color=_BLUE)
    ages.set_ylabel("oldest record not in\nthe table, seconds")
    counts.plot(samples["at_s"], samples["uncommitted"], color=_BLUE, label="not in the table")
    counts.plot(samples["at_s"], samples["pending"], color=_RED, label="pending")
    counts.plot(
        samples["at_s"], samples["undelivered"], color=_GREY, linestyle=":", label="undelivered"
    )
    counts.set_ylabel("records")
    counts.set_xlabel("seconds since the start")
    counts.legend(loc="upper right", frameon=False, fontsize="small")
    for axes in (ages, counts):
        _dress(axes, run)
    name_spans(ages, run["spans"])
    if run["spans"]:
        ages.legend(loc="upper right", frameon=False, fontsize="small")
    ages.set_title(f"{run['instances']} instances, {run['published']:,} records", pad=28)
    return _as_svg(figure)


def _dress(axes: Axes, run: Mapping[str, Any]) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#d0d7de")
    axes.set_axisbelow(True)
    axes.set_ylim(bottom=0)
    for span in run["spans"]:
        axes.axvspan(span["from_s"], span["to_s"], color=_GREY, alpha=0.12, linewidth=0)
    for texts, colour, what in (
        (_GONE, _RED, "killed, stopped, frozen"),
        (_BACK, _GREEN, "at work"),
    ):
        moments = [mark["at_s"] for mark in run["marks"] if mark["text"] in texts]
        for number, at_s in enumerate(moments):
            label = None if number else what
            axes.axvline(at_s, color=colour, linewidth=0.8, linestyle="--", label=label)


def name_spans(
    axes: Axes,
    spans: Iterable[Mapping[str, Any]],
    *,
    fontsize: float | str = "small",
    color: str = "black",
) -> None:
    """Write above each span what happened in it."""
    for span in spans:
        axes.annotate(
            span["event"],
            ((span["from_s"] + span["to_s"]) / 2, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=fontsize,
            color=color,
        )


def _as_svg(figure: Figure) -> str:
    text = io.StringIO()
    # Text stays text, which can be searched and copied.
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata=_METADATA)
    return text.getvalue()
