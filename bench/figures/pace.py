"""The processor beside its peers at everyday paces, and what READ_INTERVAL_MS moves."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.figures.part import Asked, Json, Part, Plot, Table
from bench.figures.style import (
    ASYNCIO,
    GO,
    NODE,
    OURS,
    OURS_PALE,
    OURS_PALEST,
    QUIET,
    Line,
    Scale,
    lines,
    new_figure,
    with_thousands,
)
from bench.paced.comparison import run_paced, run_sweep
from bench.paced.report import paced_json
from bench.paced.result import PacedScale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

FULL = PacedScale(rounds=2, seconds=5)
QUICK = PacedScale(rounds=1, seconds=2, warm_up_s=1)
INTERVALS_MS = (0, 2, 5, 10, 20)
QUICK_INTERVALS_MS = (0, 5, 20)
COLOURS = {"processor": OURS, "Go": GO, "Node": NODE, "asyncio": ASYNCIO}
PACE_COLOURS = (OURS_PALEST, OURS_PALE, OURS)
PANELS = (
    ("cpu_us_per_record", "CPU µs a record (logarithmic)"),
    ("p50_ms", "p50, ms (logarithmic)"),
    ("p99_ms", "p99, ms (logarithmic)"),
)


def _measure(asked: Asked) -> Json:
    scale = QUICK if asked.quick else FULL
    paced = paced_json(run_paced(scale, asked.choice, asked.progress))
    intervals_ms = QUICK_INTERVALS_MS if asked.quick else INTERVALS_MS
    sweep_scale = PacedScale(rounds=1, seconds=scale.seconds, warm_up_s=scale.warm_up_s)
    sweep = run_sweep(sweep_scale, asked.choice, asked.progress, intervals_ms)
    # Contenders' names are for tables; a plot needs the number.
    by_interval = {
        pace: dict(zip(map(str, intervals_ms), each.values(), strict=True))
        for pace, each in paced_json(sweep)["figures"].items()  # type: ignore[attr-defined]
    }
    return {"paced": paced, "intervals": by_interval, "targets": paced["targets"]}


def _tables(figures: Json) -> list[Table]:
    return [*_by_pace(figures["paced"]), _by_interval(figures["intervals"])]


def _by_pace(paced: Json) -> Iterator[Table]:
    header = (
        "contender", "CPU µs a record", "by the best peer's", "p50 ms", "p99 ms", "records a commit",
        "Redis µs", "PostgreSQL µs", "MB",
    )  # fmt: skip
    for pace, measured in paced["figures"].items():
        ratios = paced["cpu_by_best_peer"][pace]
        rows = [
            (
                name,
                f"{each['cpu_us_per_record']:,.1f}",
                "" if ratios[name] is None else f"{ratios[name]:.2f}",
                f"{each['p50_ms']:.1f}",
                f"{each['p99_ms']:.1f}",
                f"{each['records_per_commit']:,.1f}",
                f"{each['redis_cpu_us_per_record']:,.1f}",
                f"{each['postgres_cpu_us_per_record']:,.1f}",
                f"{each['resident_bytes'] / 1e6:.0f}",
            )
            for name, each in measured.items()
        ]
        yield Table(f"{int(pace):,} records/s of 100 devices, {paced['servers']}:", header, rows)


def _by_interval(intervals: Json) -> Table:
    header = (
        "records/s", "`READ_INTERVAL_MS`", "CPU µs a record", "by that of 5 ms", "p50 ms", "p99 ms", "records a commit",
    )  # fmt: skip
    rows = [
        (
            f"{int(pace):,}",
            interval,
            f"{each['cpu_us_per_record']:,.1f}",
            f"{each['cpu_us_per_record'] / measured['5']['cpu_us_per_record']:.2f}",
            f"{each['p50_ms']:.1f}",
            f"{each['p99_ms']:.1f}",
            f"{each['records_per_commit']:,.1f}",
        )
        for pace, measured in intervals.items()
        for interval, each in measured.items()
    ]
    return Table(
        "The processor with other intervals between reads; 5 is the default:", header, rows
    )


def _plots(figures: Json) -> list[Plot]:
    return [
        Plot(
            "pace",
            "CPU time a record, and latency from XADD to commit, against the pace. Lower is better.",
            partial(_draw_paces, figures["paced"]["figures"]),
        ),
        Plot(
            "interval",
            "The same of the processor alone against READ_INTERVAL_MS, a line for each pace. Lower is better.",
            partial(_draw_intervals, figures["intervals"]),
        ),
    ]


def _draw_paces(measured: Json) -> Figure:
    paces = [int(pace) for pace in measured]
    names = list(next(iter(measured.values())))
    figure, grid = new_figure(3.0, len(PANELS))
    for axes, (figure_of, y_label) in zip(grid, PANELS, strict=True):
        drawn = [
            Line(
                name,
                COLOURS.get(name, QUIET),
                paces,
                [each[name][figure_of] for each in measured.values()],
            )
            for name in names
        ]
        ticks: dict[float, str] = {pace: with_thousands(pace) for pace in paces}
        scale = Scale(log_x=True, log_y=True, ticks=ticks)
        x_label = "records/s (logarithmic)"
        lines(axes, drawn, x_label=x_label, y_label=y_label, scale=scale)
    return figure


def _draw_intervals(intervals: Json) -> Figure:
    figure, grid = new_figure(3.0, len(PANELS))
    for axes, (figure_of, y_label) in zip(grid, PANELS, strict=True):
        drawn = [
            Line(
                f"{int(pace):,}/s",
                colour,
                [int(each) for each in measured],
                [each[figure_of] for each in measured.values()],
            )
            for (pace, measured), colour in zip(intervals.items(), PACE_COLOURS, strict=True)
        ]
        ticks = {float(each): each for each in next(iter(intervals.values()))}
        scale = Scale(log_y=True, ticks=ticks)
        lines(axes, drawn, x_label="READ_INTERVAL_MS", y_label=y_label, scale=scale)
    return figure


PART = Part(
    name="pace",
    title="Everyday pace: 100 to 10,000 records a second",
    compared="""
A producer sends at a steady pace, as a race of 100 devices does, and each contender writes and acknowledges what
comes. All of them follow the same rules. CPU time is that of the process a record; latency is from XADD to the
commit, by the commit's time that PostgreSQL itself keeps. A contender that waits longer writes more records a
commit, and so pays less CPU for more latency. The best peer is the one that needs the least CPU time. Less is
better. `READ_INTERVAL_MS` is the least time between two reads that come back less than full: longer intervals cost
latency and save CPU time.
""",
    minutes=5.5,
    quick_minutes=2,
    measure=_measure,
    tables=_tables,
    plots=_plots,
)
