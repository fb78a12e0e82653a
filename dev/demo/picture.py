"""Draws the drive: where the vehicle was, and how fast."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from dev.demo.rows import Fix

METRES_PER_DEGREE = 111_320.0
# A longer way between two fixes was not driven, or not seen: no line is drawn.
GAP_METRES = 250.0
GAP_SECONDS = 120.0
BACKGROUND = "#10141a"
FOREGROUND = "#c9d1d9"
GRID = "#222a35"


def draw_drive(track: Sequence[Fix], file: Path) -> None:
    """Write the track as a PNG, metres east and north of its middle, the speed as colour."""
    places = project(track)
    figure = Figure(figsize=(11, 9), facecolor=BACKGROUND, layout="constrained")
    axes = figure.subplots()
    dress(axes)
    lines = track_lines(track, places)
    axes.add_collection(lines)
    axes.autoscale_view()
    label(figure, axes, track, lines)
    figure.savefig(file, dpi=150)


def project(track: Sequence[Fix]) -> np.ndarray:
    """Metres east and north of the middle: equirectangular, exact enough over a few kilometres."""
    degrees = np.array([(fix.longitude, fix.latitude) for fix in track])
    middle = np.median(degrees, axis=0)
    scale = METRES_PER_DEGREE * np.array([math.cos(math.radians(middle[1])), 1.0])
    return np.asarray((degrees - middle) * scale)


def track_lines(track: Sequence[Fix], places: np.ndarray) -> LineCollection:
    """A line for each pair of neighbours that are near in place and time, coloured by speed."""
    seconds = np.diff([fix.ts.timestamp() for fix in track])
    metres = np.hypot(*np.diff(places, axis=0).T)
    driven = (seconds < GAP_SECONDS) & (metres < GAP_METRES)
    segments = np.stack([places[:-1], places[1:]], axis=1)[driven]
    speeds = np.array([fix.speed for fix in track[1:]])[driven]
    order = np.argsort(speeds)  # the fast ones on top
    return LineCollection(
        list(segments[order]),
        array=speeds[order],
        cmap="plasma",
        linewidths=1.6,
        capstyle="round",
        alpha=0.85,
    )


def dress(axes: Axes) -> None:
    """A dark map with equal metres in both directions."""
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_facecolor(BACKGROUND)
    axes.grid(color=GRID, linewidth=0.8)
    axes.tick_params(colors=FOREGROUND, length=0)
    for spine in axes.spines.values():
        spine.set_color(GRID)
    axes.set_xlabel("metres east", color=FOREGROUND)
    axes.set_ylabel("metres north", color=FOREGROUND)


def label(figure: Figure, axes: Axes, track: Sequence[Fix], lines: LineCollection) -> None:
    """Title and colour bar."""
    bar = figure.colorbar(lines, ax=axes, shrink=0.7, pad=0.02)
    bar.set_label("speed, km/h", color=FOREGROUND)
    bar.ax.tick_params(colors=FOREGROUND, length=0)
    bar.outline.set_visible(False)
    first, last = track[0].ts, track[-1].ts
    axes.set_title(
        f"{len(track):,} fixes of one vehicle, {first:%Y-%m-%d} to {last:%Y-%m-%d}",
        color=FOREGROUND,
        pad=14,
    )
