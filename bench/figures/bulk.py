r"""A filled stream to rows, beside an asyncio service and beside psql's \copy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bench.figures.part import Asked, Json, Part, Plot, Table, targets_json
from bench.figures.style import (
    ASYNCIO,
    LIMIT,
    OURS,
    OURS_PALE,
    Bar,
    bars,
    bound,
    new_figure,
)
from bench.report import service_json
from bench.service import Filling, processor_name, run_service
from bench.targets import Target
from dev.servers import find_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from bench.service import ServiceResult

WRITERS = (1, 2)
CPU_US_MAX, TIMES_LESS_CPU_MIN = 1.4, 12
SHARES_MIN = {1: 1.0, 2: 1.4}
CONTENDERS = (
    ("processor_writers_1", "processor, one writer", OURS),
    ("processor_writers_2", "processor, two writers", OURS_PALE),
    ("asyncio", "asyncio service", ASYNCIO),
    ("psql_copy", r"psql \copy, one connection", LIMIT),
)


@dataclass(frozen=True)
class Case:
    """What is in the stream, and the kind of the table."""

    title: str
    ages: str
    plain: bool


CASES = (
    Case("plain table", "live", plain=True),
    Case("plain table, 10 % sent before", "resent", plain=True),
    Case("hypertable, one chunk", "live", plain=False),
    Case("hypertable, 10 % sent before", "resent", plain=False),
    Case("hypertable, thirty chunks", "month", plain=False),
)


def _measure(asked: Asked) -> Json:
    has_hypertable = find_postgres(asked.choice).timescaledb is not None
    cases: list[Json] = []
    targets: list[Target] = []
    for case in CASES:
        if not case.plain and not has_hypertable:
            continue
        result = run_service(
            filling=Filling(30_000 if asked.quick else 300_000, case.ages, case.plain),
            rounds=1 if asked.quick else 3,
            writers=WRITERS,
            choice=asked.choice,
            progress=lambda step, title=case.title: asked.progress(f"{title}, {step}"),  # type: ignore[misc]
        )
        # The path of psql is the machine's own affair.
        kept = {key: value for key, value in service_json(result).items() if key != "psql"}
        cases.append({"title": case.title, **kept})
        targets += _targets(case, result)
    return {
        "cases": cases,
        "left_out": [] if has_hypertable else [each.title for each in CASES if not each.plain],
        "targets": targets_json(targets),
    }


def _targets(case: Case, result: ServiceResult) -> Iterator[Target]:
    if case.ages == "live":
        one = result.runs[processor_name(1)]
        yield Target(
            f"CPU µs a record, one writer, {case.title}",
            one.cost.cpu_s / result.entries * 1e6,
            CPU_US_MAX,
        )
        yield Target(
            f"times less CPU than the asyncio service, {case.title}",
            result.times_less_cpu,
            TIMES_LESS_CPU_MIN,
            at_least=True,
        )
    for writers, share in SHARES_MIN.items():
        yield Target(
            f"share of `\\copy`, WRITERS={writers}, {case.title}",
            result.share_of_limit(processor_name(writers)),
            share,
            at_least=True,
        )


def _tables(figures: Json) -> list[Table]:
    header = (
        "contender", "records/s", "share of `\\copy`", "CPU µs a record", "by the asyncio service's",
        "Redis µs", "PostgreSQL µs", "peak MB",
    )  # fmt: skip
    tables = []
    for case in figures["cases"]:
        runs = case["runs"]
        peer = runs["asyncio"]["cpu_us_per_record"]
        rows = [
            (
                name.replace("\\", "\\\\"),
                f"{run['records_per_second']:,}",
                f"{run['share_of_copy']:.2f}",
                f"{run['cpu_us_per_record']:.2f}",
                f"{run['cpu_us_per_record'] / peer:.2f}",
                f"{run['redis_cpu_us_per_record']:.2f}",
                f"{run['postgres_cpu_us_per_record']:.2f}",
                f"{run['peak_mb']:.0f}" if run["peak_mb"] else "",
            )
            for key, name, _colour in CONTENDERS
            for run in [runs[key]]
        ]
        title = case["title"][0].upper() + case["title"][1:]
        caption = (
            f"{title}: {case['entries']:,} entries with {case['keys']:,} keys, {case['servers']}:"
        )
        tables.append(Table(caption, header, rows))
    return tables


def _plots(figures: Json) -> list[Plot]:
    return [
        Plot(
            "throughput",
            r"Throughput as a share of psql's \copy of one connection, which reads the finished rows from a file."
            " Longer is better.",
            partial(_draw, figures, "share_of_copy", r"records/s, as a share of \copy"),
        ),
        Plot(
            "cpu",
            "CPU time of the process, a record. Shorter is better; the axis is logarithmic.",
            partial(_draw, figures, "cpu_us_per_record", "CPU µs a record (logarithmic)"),
        ),
    ]


def _draw(figures: Json, figure_of: str, x_label: str) -> Figure:
    cases = figures["cases"]
    is_share = figure_of == "share_of_copy"
    shown = [each for each in CONTENDERS if not (is_share and each[0] == "psql_copy")]
    rows = (len(cases) + 1) // 2
    figure, grid = new_figure((0.35 * len(shown) + 1.1) * rows, 2, rows)
    among = [case["runs"][key][figure_of] for case in cases for key, _name, _colour in shown]
    for axes, case in zip(grid, cases, strict=False):
        runs = case["runs"]
        drawn = [
            Bar(name, runs[key][figure_of], f"{runs[key][figure_of]:.2f}", colour)
            for key, name, colour in shown
        ]
        bars(axes, drawn, x_label=x_label, log=not is_share, among=[*among, 1.0])
        axes.set_title(case["title"], loc="left", pad=16 if is_share else None)
        if is_share:
            bound(axes, 1.0, r"\copy", vertical=True)
    for axes in grid[len(cases) :]:
        axes.remove()
    return figure


PART = Part(
    name="bulk",
    title="Bulk: a full stream to committed and acknowledged rows",
    compared=r"""
A stream that was filled before, as after an outage, into an emptied table: each contender works it off, and every
key must be a row in the end. The asyncio service is redis.asyncio, orjson and asyncpg's binary COPY, made as well
as Python allows. `\copy` is psql with the finished rows in a file: one connection of PostgreSQL cannot take much
more, so a share of 1 means that the service costs PostgreSQL no time at all, and two writers can pass it. "10 %
sent before" has every tenth record repeat one of the 40,000 before it; `\copy` gets each key once there, and the
share is of records a second. On a hypertable the records of thirty chunks come in any order. Higher shares and less
CPU are better.
""",
    minutes=6,
    quick_minutes=0.7,
    measure=_measure,
    tables=_tables,
    plots=_plots,
)
