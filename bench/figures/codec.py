"""The codec beside Python's best, and beside copying the bytes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.codec import run_codec
from bench.figures.part import Asked, Json, Part, Plot, Table, targets_json
from bench.figures.style import ASYNCIO, LIMIT, OURS, Bar, bars, new_figure
from bench.report import codec_json
from bench.targets import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TIMES_FASTER_MIN = 20
CONTENDERS = (
    ("processor", "the codec", OURS),
    ("python", "hiredis + orjson + struct", ASYNCIO),
    ("memcpy", "copying the bytes", LIMIT),
)


def _measure(asked: Asked) -> Json:
    results = run_codec(
        rounds=3 if asked.quick else 15,
        records=5_000 if asked.quick else 20_000,
        progress=asked.progress,
    )
    targets = [
        Target(
            f"times faster than hiredis + orjson + struct, {each.workload}",
            each.times_faster,
            TIMES_FASTER_MIN,
            at_least=True,
        )
        for each in results
    ]
    return {
        "workloads": [codec_json(each) for each in results],
        "targets": targets_json(targets),
    }


def _tables(figures: Json) -> list[Table]:
    rows = []
    for each in figures["workloads"]:
        ours = each["cpu_ns_per_record"]["processor"]
        for key, name, _colour in CONTENDERS:
            cost = each["cpu_ns_per_record"][key]
            size = each["reply_bytes"] / each["records"]
            rows.append(
                (each["workload"], name, f"{size:.0f}", f"{cost:,.0f}", f"{cost / ours:.2f}")
            )
    header = ("entries", "contender", "bytes a record", "CPU ns a record", "by the codec's")
    return [Table("CPU time of one thread, medians:", header, rows)]


def _plots(figures: Json) -> list[Plot]:
    return [
        Plot(
            "cpu",
            "CPU time from a reply's bytes to COPY bytes, a record. Shorter is better; the axis is logarithmic.",
            partial(_draw, figures),
        )
    ]


def _draw(figures: Json) -> Figure:
    workloads = figures["workloads"]
    figure, grid = new_figure(2.1, len(workloads))
    for axes, each in zip(grid, workloads, strict=True):
        costs = each["cpu_ns_per_record"]
        ours = costs["processor"]
        drawn = [
            Bar(
                name,
                costs[key],
                _label(costs[key], ours),
                colour,
            )
            for key, name, colour in CONTENDERS
        ]
        bars(axes, drawn, x_label="CPU ns a record (logarithmic)", log=True)
        axes.set_title(each["workload"], loc="left")
        if axes is not grid[0]:
            axes.set_yticks([])
    return figure


def _label(cost: float, ours: float) -> str:
    return f"{cost:,.0f} ns" + ("" if cost == ours else f", {cost / ours:.2g} times")


PART = Part(
    name="codec",
    title="Codec: a reply's bytes to COPY bytes",
    compared="""
One process, one thread. The codec takes Redis' reply apart, reads the JSON of each entry, checks it, and writes
sorted binary rows and the command that acknowledges them. Python's best libraries do the same, and both outputs are
compared before anything is measured. Copying the reply's bytes once is the floor. The captured drive is real
entries; the others are of codec 8 Extended, whose attributes take 330 bytes. Fewer nanoseconds are better.
""",
    minutes=0.5,
    quick_minutes=0.2,
    measure=_measure,
    tables=_tables,
    plots=_plots,
)
