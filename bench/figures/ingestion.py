"""tcp-ingestion beside services of other languages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.figures.part import Asked, Json, Part, Plot, Table
from bench.figures.style import ASYNCIO, GO, NODE, OURS, QUIET, Bar, bars, new_figure
from bench.ingestion.comparison import run_ingestion
from bench.ingestion.report import ingestion_json
from bench.ingestion.setting import IngestionScale

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CROWD_HEADER = (
    "contender",
    "KB a connection",
    "MB in all",
    "s until all are logged in",
    "p99 ms meanwhile",
)
COLOURS = {"tcp-ingestion": OURS, "Go": GO, "Node": NODE, "asyncio": ASYNCIO}


def _measure(asked: Asked) -> Json:
    scale = (
        IngestionScale(rounds=1, seconds=2, connections=5000, growth_s=10)
        if asked.quick
        else IngestionScale(rounds=2, seconds=3, connections=5000, growth_s=30)
    )
    return ingestion_json(run_ingestion(scale, asked.choice, asked.progress))


def _titles(figures: Json) -> dict[str, str]:
    return {each["name"]: each["title"] for each in figures["scale"]["workloads"]}


def _tables(figures: Json) -> list[Table]:
    header = (
        "contender", "CPU µs a frame", "CPU µs a record", "tcp-ingestion's by it", "frames/s", "p50 ms", "p99 ms", "MB",
    )  # fmt: skip
    tables = []
    for workload, title in _titles(figures).items():
        sending = figures["sending"][workload]
        ours = sending["tcp-ingestion"]["cpu_us_per_record"]
        rows = [
            (
                name,
                f"{each['cpu_us_per_frame']:.1f}",
                f"{each['cpu_us_per_record']:.2f}",
                f"{ours / each['cpu_us_per_record']:.2f}",
                f"{each['frames_per_second']:,.0f}",
                f"{each['p50_ms']:.2f}",
                f"{each['p99_ms']:.2f}",
                f"{each['resident_bytes'] / 1e6:.0f}",
            )
            for name, each in sending.items()
        ]
        tables.append(Table(f"{title}:", header, rows))
    crowd = [
        (
            name,
            f"{silence['bytes_per_connection'] / 1e3:.1f}",
            f"{silence['resident_bytes'] / 1e6:.0f}",
            f"{figures['storms'][name]['logins_s']:.2f}",
            f"{figures['storms'][name]['senders_p99_ms']:.1f}",
        )
        for name, silence in figures["silence"].items()
    ]
    tables.append(Table(f"{figures['scale']['connections']:,} connections:", CROWD_HEADER, crowd))
    return tables


def _plots(figures: Json) -> list[Plot]:
    return [
        Plot(
            "cpu",
            "CPU time a record, by what the devices do. Shorter is better.",
            partial(_draw, figures),
        )
    ]


def _draw(figures: Json) -> Figure:
    titles = _titles(figures)
    columns = 2
    rows = (len(titles) + 1) // columns
    figure, grid = new_figure((0.33 * len(figures["titles"]) + 0.9) * rows, columns, rows)
    for axes, (workload, title) in zip(grid, titles.items(), strict=False):
        drawn = [
            Bar(
                name,
                each["cpu_us_per_record"],
                f"{each['cpu_us_per_record']:.2f}",
                COLOURS.get(name, QUIET),
            )
            for name, each in figures["sending"][workload].items()
        ]
        bars(axes, drawn, x_label="CPU µs a record")
        axes.set_title(title, loc="left")
    for axes in grid[len(titles) :]:
        axes.remove()
    return figure


PART = Part(
    name="ingestion",
    title="tcp-ingestion: frames of many devices to a stream, and answers",
    compared="""
tcp-ingestion as it is deployed, beside services in Go, Node and asyncio that do the same work and lack its limits,
time-outs, metrics and log. All of them take a frame apart, check it, publish a Position for each record, and answer
when Redis has confirmed each; every answer and every entry is counted. Less CPU, memory and latency are better.
Flat out, each device sends when it was answered, so that latency there is a contender's own queue. "By it" is the
CPU time a record of tcp-ingestion by that of the row's service: below 1, tcp-ingestion needs less.
""",
    minutes=6.5,
    quick_minutes=2,
    measure=_measure,
    tables=_tables,
    plots=_plots,
)
