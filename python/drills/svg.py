"""Two charts as SVG text, for a report that is one file and needs nothing to be drawn or shown."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH, HEIGHT = 860, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 150, 20, 45
_BINS = 40
_TICKS_MAX = 8
COLOURS = ("#6e7781", "#0969da", "#1a7f37", "#cf222e")
_BUDGET_COLOUR = "#cf222e"


@dataclass(frozen=True, slots=True)
class Series:
    """A named line."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class _Axes:
    """Maps values to the plot's area; `x` and `y` are (least, greatest)."""

    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x[0]) / (self.x[1] - self.x[0] or 1)
        up = (y - self.y[0]) / (self.y[1] - self.y[0] or 1)
        return (
            _LEFT + across * (WIDTH - _LEFT - _RIGHT),
            HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM),
        )


def lines(series: Sequence[Series], *, x_label: str) -> str:
    """Lines over a common axis, from 0 on."""
    points = [point for each in series for point in each.points]
    axes = _Axes(
        (0.0, max((x for x, _ in points), default=1.0)),
        (0.0, max((y for _, y in points), default=1.0)),
    )
    body = [
        _frame(axes, x_label, x_ticks=[(value, f"{value:,}") for value in round_steps(axes.x[1])])
    ]
    for index, each in enumerate(series):
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join("{:.1f},{:.1f}".format(*axes.at(x, y)) for x, y in each.points)
        body.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{path}"/>')
        body.append(_legend(index, colour, each.name))
    return _document(body)


def distribution(values: Sequence[float], *, limit: float, limit_name: str, x_label: str) -> str:
    """How often each size of value occurs, on a logarithmic axis that reaches beyond `limit`.

    Drains take milliseconds where their budget is seconds: on a linear axis all would be one bar.
    """
    logs = [math.log10(max(value, 1.0)) for value in values]
    low = min([*logs, math.log10(limit)]) - 0.05
    high = max([*logs, math.log10(limit)]) + 0.05
    counts = [0] * _BINS
    for value in logs:
        counts[min(int((value - low) / (high - low) * _BINS), _BINS - 1)] += 1
    axes = _Axes((low, high), (0.0, float(max(counts, default=1) or 1)))
    body = [_frame(axes, x_label, x_ticks=_powers_between(low, high))]
    for index, count in enumerate(counts):
        body.append(_bar(axes, low + (high - low) * index / _BINS, (high - low) / _BINS, count))
    x, bottom = axes.at(math.log10(limit), 0)
    body.append(
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom:.1f}" stroke="{_BUDGET_COLOUR}"'
        ' stroke-width="2" stroke-dasharray="6 4"/>'
    )
    body += [_legend(0, COLOURS[1], "rounds"), _legend(1, _BUDGET_COLOUR, limit_name)]
    return _document(body)


def _bar(axes: _Axes, start: float, width: float, count: int) -> str:
    left, top = axes.at(start, count)
    right, bottom = axes.at(start + width, 0)
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{max(right - left - 1, 1):.1f}"'
        f' height="{bottom - top:.1f}" fill="{COLOURS[1]}"/>'
    )


def _frame(axes: _Axes, x_label: str, *, x_ticks: Sequence[tuple[float, str]]) -> str:
    """The grid; `x_ticks` are places on the horizontal axis and what stands there."""
    parts = []
    for value in round_steps(axes.y[1]):
        left, y = axes.at(axes.x[0], value)
        right, _ = axes.at(axes.x[1], value)
        parts += [
            f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d0d7de"/>',
            _text(left - 8, y + 4, f"{value:,.0f}", anchor="end"),
        ]
    for place, shown in x_ticks:
        x, floor = axes.at(place, axes.y[0])
        parts.append(_text(x, floor + 18, shown, anchor="middle"))
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    return "".join([*parts, _text(middle, HEIGHT - 6, x_label, anchor="middle")])


def round_steps(greatest: float) -> list[int]:
    """Whole numbers from 0 up to `greatest`, as far apart as 1, 2 or 5 times a power of ten."""
    step = next(size for size in _round_sizes() if greatest / size <= _TICKS_MAX)
    return list(range(0, int(greatest) + 1, step))


def _powers_between(low: float, high: float) -> list[tuple[float, str]]:
    """Round sizes whose logarithms are within the bounds."""
    sizes = itertools.takewhile(lambda size: math.log10(size) <= high, _round_sizes())
    return [(math.log10(size), f"{size:,}") for size in sizes if math.log10(size) >= low]


def _round_sizes() -> Iterator[int]:
    return (size * 10**power for power in itertools.count() for size in (1, 2, 5))


def _legend(index: int, colour: str, name: str) -> str:
    x, y = WIDTH - _RIGHT + 15, _TOP + 20 * index
    return f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>' + _text(
        x + 18, y + 11, name, anchor="start"
    )


def _text(x: float, y: float, text: str, *, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _document(body: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        f' font-size="12">{"".join(body)}</svg>'
    )
