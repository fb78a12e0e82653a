"""Draws the drive, place and speed: the whole of it, and the place where the vehicle was most of the time."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from dev.demo.rows import Fix

METRES_PER_DEGREE = 111_320.0
# Beyond this the way between two fixes is unknown: no line is drawn.
GAP_SECONDS = 1800.0
# Half the width of the second map.
CLOSE_UP_METRES = 120.0

BACKGROUND = "#10141a"
FOREGROUND = "#c9d1d9"
GRID = "#222a35"
TRACK = "#5b6b80"
# Without its darkest quarter, which would vanish in the background.
COLOURS = ListedColormap(colormaps["plasma"](np.linspace(0.25, 1.0, 256)))


def draw_drive(track: Sequence[Fix], file: Path) -> None:
    """Write two maps as a PNG, metres east and north of the middle, the speed as colour."""
    places = project(track)
    speeds = np.array([fix.speed for fix in track])
    order = np.argsort(speeds, kind="stable")  # the fast ones on top
    figure = Figure(figsize=(15, 7.5), facecolor=BACKGROUND, layout="constrained")
    whole, close_up = figure.subplots(1, 2)
    for axes in (whole, close_up):
        dress(axes)
        axes.add_collection(ways(track, places))
        dots = axes.scatter(*places[order].T, c=speeds[order], cmap=COLOURS, s=14)
    whole.set_title("the whole drive", color=FOREGROUND)
    whole.margins(0.05)
    whose = "it" if vehicles_of(track) == 1 else "the first one"
    close_up.set_title(f"around the place where {whose} was most", color=FOREGROUND)
    close_up.set_xlim(-CLOSE_UP_METRES, CLOSE_UP_METRES)
    close_up.set_ylim(-CLOSE_UP_METRES, CLOSE_UP_METRES)
    figure.suptitle(title(track), color=FOREGROUND, fontsize=15)
    bar = figure.colorbar(dots, ax=[whole, close_up], shrink=0.8, pad=0.01)
    bar.set_label("speed, km/h", color=FOREGROUND)
    bar.ax.tick_params(colors=FOREGROUND, length=0)
    figure.savefig(file, dpi=120)


def project(track: Sequence[Fix]) -> np.ndarray:
    """Metres east and north of the first vehicle's middle: equirectangular, exact enough over a few kilometres."""
    degrees = np.array([(fix.longitude, fix.latitude) for fix in track])
    of_the_first = [fix.device_id == track[0].device_id for fix in track]
    middle = np.median(degrees[of_the_first], axis=0)
    scale = METRES_PER_DEGREE * np.array([math.cos(math.radians(middle[1])), 1.0])
    return np.asarray((degrees - middle) * scale)


def ways(track: Sequence[Fix], places: np.ndarray) -> LineCollection:
    """A thin line between a vehicle's neighbours in time, unless there is a gap between them."""
    near = [
        one.device_id == other.device_id and (other.ts - one.ts).total_seconds() < GAP_SECONDS
        for one, other in pairwise(track)
    ]
    segments = np.stack([places[:-1], places[1:]], axis=1)[near]
    return LineCollection(list(segments), colors=TRACK, linewidths=0.8, zorder=1)


def dress(axes: Axes) -> None:
    """A dark map with equal metres in both directions."""
    axes.set_aspect("equal")
    axes.set_facecolor(BACKGROUND)
    axes.set_axisbelow(True)
    axes.grid(color=GRID, linewidth=0.8)
    axes.tick_params(colors=FOREGROUND, length=0)
    for spine in axes.spines.values():
        spine.set_color(GRID)
    axes.set_xlabel("metres east", color=FOREGROUND)
    axes.set_ylabel("metres north", color=FOREGROUND)


def title(track: Sequence[Fix]) -> str:
    """The picture's title: how many places, and from when."""
    first, last = min(fix.ts for fix in track), max(fix.ts for fix in track)
    vehicles = vehicles_of(track)
    whose = "one vehicle" if vehicles == 1 else f"{vehicles} vehicles"
    return f"{len(track):,} fixes of {whose}, {first:%Y-%m-%d} to {last:%Y-%m-%d}"


def vehicles_of(track: Sequence[Fix]) -> int:
    """How many there are."""
    return len({fix.device_id for fix in track})
