"""How all plots look: quiet colours that change with the reader's scheme, labels at the lines, units on the axes."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from matplotlib.axes import Axes

WIDTH_INCHES = 8.6
INK, QUIET, GRID, PAPER = "#1f2328", "#59636e", "#d1d9e0", "#ffffff"
OURS, ASYNCIO, GO, NODE, LIMIT = "#0969da", "#8250df", "#1a7f6b", "#9a6700", "#6e7781"
# More than one of ours: the same colour, paler and paler.
OURS_PALE, OURS_PALEST = "#54a3e8", "#8cc4f2"
DARK = {
    INK: "#e6edf3",
    QUIET: "#9198a1",
    GRID: "#30363d",
    PAPER: "#0d1117",
    OURS: "#4493f8",
    ASYNCIO: "#ab7df8",
    GO: "#3fb99b",
    NODE: "#d29922",
    LIMIT: "#8b949e",
    OURS_PALE: "#4a82d0",
    OURS_PALEST: "#4a6da8",
}
# It would have a date and addresses on the web.
_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}
_LABEL_STEP_PIXELS = 15


def _style() -> AbstractContextManager[None]:
    return mpl.rc_context(
        {
            "axes.edgecolor": GRID,
            "axes.facecolor": PAPER,
            "axes.labelcolor": QUIET,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlecolor": INK,
            "axes.titlelocation": "left",
            "axes.titlesize": 10,
            "axes.labelsize": 9,
            "figure.facecolor": PAPER,
            "font.size": 9,
            "grid.color": GRID,
            "lines.linewidth": 1.8,
            "savefig.facecolor": PAPER,
            # Text stays text, and the same figures give the same file.
            "svg.fonttype": "none",
            "svg.hashsalt": "benchmarks",
            "text.color": INK,
            "xtick.color": QUIET,
            "ytick.color": QUIET,
        }
    )


@dataclass(frozen=True)
class Line:
    """One contender's line."""

    name: str
    colour: str
    x: Sequence[float]
    y: Sequence[float]


def new_figure(height_inches: float, columns: int = 1, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with a grid of axes, row by row."""
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    return figure, [axes for row in grid for axes in row]


@dataclass(frozen=True)
class Scale:
    """What the axes of lines look like: with `ticks` of x where something was measured, by value."""

    log_x: bool = False
    log_y: bool = False
    ticks: Mapping[float, str] = field(default_factory=dict)
    most: float = 0.0
    """The y axis reaches at least so far."""


def lines(
    axes: Axes, drawn: Sequence[Line], *, x_label: str, y_label: str, scale: Scale = Scale()
) -> None:
    """Lines with their names at the right end; a linear y axis begins at 0."""
    for line in drawn:
        axes.plot(line.x, line.y, color=line.colour, marker="o", markersize=3.5)
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel(x_label)
    # Above the axis it can be read without turning one's head.
    axes.set_title(y_label, fontsize=9, color=QUIET, loc="left")
    if scale.log_x:
        axes.set_xscale("log")
    if scale.ticks:
        axes.set_xticks(list(scale.ticks), list(scale.ticks.values()))
        axes.xaxis.set_minor_locator(NullLocator())
    if scale.log_y:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(0, max(axes.dataLim.y1, scale.most) * 1.12)
        axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: with_thousands(value)))
    _name_lines(axes, drawn)


def over_time(
    axes: Axes,
    at_s: Sequence[float],
    values: Mapping[str, Sequence[float]],
    spans: Sequence[Mapping[str, float]],
) -> None:
    """Values by colour over seconds, on fields of grey for what lasted from `from_s` to `to_s`."""
    for span in spans:
        axes.axvspan(span["from_s"], span["to_s"], color=GRID, alpha=0.6, linewidth=0)
    for colour, each in values.items():
        axes.plot(at_s, each, color=colour, linewidth=1.2)
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlim(min(at_s, default=0), max(at_s, default=1))
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: with_thousands(value)))


def _name_lines(axes: Axes, drawn: Sequence[Line]) -> None:
    """The names stand apart, also where the lines end close together."""
    axes.figure.canvas.draw()
    ends = sorted(
        ((float(axes.transData.transform((line.x[-1], line.y[-1]))[1]), line) for line in drawn),
        key=lambda end: end[0],
    )
    lowest = float("-inf")
    for height, line in ends:
        placed = max(height, lowest + _LABEL_STEP_PIXELS)
        lowest = placed
        axes.annotate(
            line.name,
            (line.x[-1], line.y[-1]),
            xytext=(7, (placed - height) * 72 / axes.figure.dpi),
            textcoords="offset points",
            color=line.colour,
            va="center",
            fontsize=9,
            annotation_clip=False,
        )


@dataclass(frozen=True)
class Bar:
    """One contender's bar, with what stands at its end."""

    name: str
    value: float
    label: str
    colour: str


def bars(
    axes: Axes,
    drawn: Sequence[Bar],
    *,
    x_label: str,
    log: bool = False,
    among: Sequence[float] = (),
) -> None:
    """Horizontal bars, the first on top, each with its name and figure.

    Axes that are compared with each other get the same scale by `among`, the values of all of them.
    """
    heights = range(len(drawn), 0, -1)
    axes.barh(
        list(heights),
        [bar.value for bar in drawn],
        height=0.62,
        color=[bar.colour for bar in drawn],
    )
    axes.set_yticks(list(heights), [bar.name for bar in drawn])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: with_thousands(value)))
    # Room for the figures behind the longest bar.
    values = [*among, *(bar.value for bar in drawn)]
    least, most = min(values), max(values)
    axes.set_xlim(least / 2 if log else 0, most * 4 if log else most * 1.25)
    axes.grid(axis="x", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel(x_label)
    for height, bar in zip(heights, drawn, strict=True):
        axes.annotate(
            bar.label,
            (bar.value, height),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            color=INK,
        )


def bound(axes: Axes, value: float, label: str, *, vertical: bool = False) -> None:
    """What was aimed at, as a dashed line."""
    if vertical:
        axes.axvline(value, color=LIMIT, linestyle=":", linewidth=1.2)
        where = (value, 1.0)
        axes.annotate(
            label, where, xycoords=("data", "axes fraction"), xytext=(3, 4),
            textcoords="offset points", color=QUIET, fontsize=8,
        )  # fmt: skip
    else:
        axes.axhline(value, color=LIMIT, linestyle=":", linewidth=1.2)
        axes.annotate(
            label, (0.0, value), xycoords=("axes fraction", "data"), xytext=(3, 3),
            textcoords="offset points", color=QUIET, fontsize=8,
        )  # fmt: skip


def with_thousands(value: float) -> str:
    """As a reader writes it: 1,000, 0.5."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:g}"


def as_svg(draw: Callable[[], Figure]) -> str:
    """What is drawn as a file: light colours stand in it, and dark ones replace them in a dark scheme."""
    text = io.StringIO()
    with _style():
        draw().savefig(text, format="svg", metadata=_METADATA)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    head, rest = svg.split("<defs>", 1)
    return f"{head}<style>{_dark_rules()}</style>\n <defs>{rest}"


def _dark_rules() -> str:
    rules = "".join(
        f'[style*="{name}: {light}"]{{{name}:{dark}!important}}'
        for light, dark in DARK.items()
        for name in ("fill", "stroke")
    )
    return f"@media (prefers-color-scheme:dark){{{rules}}}"
