"""The processor's memory, CPU time and start, against backlog, devices, batch sizes and writers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.figures.part import Asked, Json, Part, Plot, Table, targets_json
from bench.figures.style import ASYNCIO as PURPLE
from bench.figures.style import OURS as BLUE
from bench.figures.style import Line, Scale, bound, lines, new_figure, with_thousands
from bench.runs import AT_REST_S
from bench.service import ASYNCIO
from bench.sweeps import IDLE_S, OURS, SweepScale, SweepsResult, run_sweeps
from bench.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from bench.sweeps import Point

FULL = SweepScale(
    rounds=2,
    backlogs=(0, 30_000, 100_000, 300_000, 1_000_000),
    devices=(100, 10_000, 100_000),
    usual_backlog=300_000,
    settings={
        "BATCH_SIZE": (500, 1_000, 2_000, 5_000, 10_000),
        "WRITERS": (1, 2, 4),
        "WRITE_BATCH_SIZE": (5_000, 10_000, 20_000, 40_000),
    },
)
QUICK = SweepScale(
    rounds=1,
    backlogs=(0, 30_000),
    devices=(100, 1_000, 10_000),
    usual_backlog=30_000,
    settings={
        "BATCH_SIZE": (1_000, 5_000),
        "WRITERS": (1, 2),
        "WRITE_BATCH_SIZE": (5_000, 20_000),
    },
)
TARGET_DEVICES, TARGET_BACKLOG = 100_000, 300_000
PEAK_MB_MAX, READY_S_MAX = 100, 0.6
COLOURS = {OURS: BLUE, ASYNCIO: PURPLE}


def _measure(asked: Asked) -> Json:
    result = run_sweeps(QUICK if asked.quick else FULL, asked.choice, asked.progress)
    return {
        "servers": result.servers,
        "table": result.table,
        "rounds": result.scale.rounds,
        "usual_devices": result.scale.usual_devices,
        "points": [_point(each) for each in result.points],
        "targets": targets_json(_targets(result)),
    }


def _point(point: Point) -> Json:
    cost, records = point.run.cost, point.backlog
    return {
        "sweep": point.sweep,
        "value": point.value,
        "contender": point.contender,
        "devices": point.devices,
        "backlog": records,
        "peak_mb": round(point.run.peak_bytes / 1e6, 1),
        "ready_s": round(point.run.ready_s, 3),
        "records_per_second": round(records / cost.wall_s) if records else None,
        "cpu_us_per_record": round(cost.cpu_s / records * 1e6, 3) if records else None,
        "idle_cpu_ms_per_s": None if records else round(cost.cpu_s / cost.wall_s * 1e3, 2),
    }


def _targets(result: SweepsResult) -> Iterator[Target]:
    hard = [
        each.run
        for each in result.points
        if each.contender == OURS
        and (each.devices, each.backlog) == (TARGET_DEVICES, TARGET_BACKLOG)
    ]
    where = f"{TARGET_DEVICES:,} devices and a backlog of {TARGET_BACKLOG:,}"
    peak_mb = hard[0].peak_bytes / 1e6 if hard else None
    yield Target(f"MB at the peak, with {where}", peak_mb, PEAK_MB_MAX)
    yield Target(
        f"s until it is ready, with {where}", hard[0].ready_s if hard else None, READY_S_MAX
    )


def _tables(figures: Json) -> list[Table]:
    return [
        *_by_load(figures),
        *_by_settings(figures),
    ]


def _by_load(figures: Json) -> Iterator[Table]:
    header = (
        "backlog", "devices", "contender", "peak MB", "by asyncio's", "ready s", "CPU µs a record", "by asyncio's",
        "records/s", "idle ms/s",
    )  # fmt: skip
    for sweep in ("backlog", "devices"):
        points = _points(figures, sweep)
        peers = {each["value"]: each for each in points if each["contender"] == ASYNCIO}
        rows = [
            (
                f"{each['backlog']:,}",
                f"{each['devices']:,}",
                each["contender"],
                f"{each['peak_mb']:.0f}",
                f"{each['peak_mb'] / peers[each['value']]['peak_mb']:.2f}",
                f"{each['ready_s']:.2f}",
                _or_blank(each["cpu_us_per_record"], ".2f"),
                _ratio(each["cpu_us_per_record"], peers[each["value"]]["cpu_us_per_record"]),
                _or_blank(each["records_per_second"], ",.0f"),
                _or_blank(each["idle_cpu_ms_per_s"], ".1f"),
            )
            for each in points
        ]
        caption = "Against the backlog" if sweep == "backlog" else "Against the devices that send"
        yield Table(f"{caption}, into a {figures['table']}, {figures['servers']}:", header, rows)


def _by_settings(figures: Json) -> Iterator[Table]:
    [limit] = _points(figures, "limit")
    header = ("variable", "value", "records/s", "share of `\\copy`", "CPU µs a record", "peak MB")
    rows = [
        (
            f"`{each['sweep']}`",
            f"{each['value']:,}",
            f"{each['records_per_second']:,}",
            f"{each['records_per_second'] / limit['records_per_second']:.2f}",
            f"{each['cpu_us_per_record']:.2f}",
            f"{each['peak_mb']:.0f}",
        )
        for name in _settings(figures)
        for each in _points(figures, name)
    ]
    caption = f"Against one variable at a time, {limit['devices']:,} devices, {limit['backlog']:,} entries:"
    yield Table(caption, header, rows)


def _plots(figures: Json) -> list[Plot]:
    return [
        Plot(
            "memory",
            "The most resident memory that each had. Lower is better; a backlog must not make a service grow.",
            partial(_draw_loads, figures, "peak_mb", "peak of memory, MB"),
        ),
        Plot(
            "ready",
            "From the start of the process to its ready line. Lower is better.",
            partial(_draw_loads, figures, "ready_s", "from start to ready, s"),
        ),
        Plot(
            "settings",
            r"Throughput, CPU time and memory of the processor as one variable changes. Dotted: psql's \copy.",
            partial(_draw_settings, figures),
        ),
    ]


def _draw_loads(figures: Json, figure_of: str, y_label: str) -> Figure:
    figure, grid = new_figure(2.9, 2)
    most_devices = max(each["devices"] for each in figures["points"])
    for axes, sweep, x_label in zip(
        grid,
        ("backlog", "devices"),
        (f"entries in the stream, of {most_devices:,} devices", "devices that send"),
        strict=True,
    ):
        points = _points(figures, sweep)
        drawn = []
        for name, colour in COLOURS.items():
            mine = [each for each in points if each["contender"] == name]
            # A logarithmic axis has no 0: it stands a decade before the first backlog.
            values = [each["value"] or _zero(points) for each in mine]
            drawn.append(Line(name, colour, values, [each[figure_of] for each in mine]))
        ticks = {each["value"] or _zero(points): f"{each['value']:,}" for each in points}
        is_full = most_devices == TARGET_DEVICES
        target = PEAK_MB_MAX if figure_of == "peak_mb" else READY_S_MAX
        scale = Scale(log_x=True, ticks=ticks, most=target if is_full else 0)
        lines(axes, drawn, x_label=x_label, y_label=y_label, scale=scale)
        if is_full:
            bound(axes, target, f"target {target:g}")
    return figure


def _zero(points: list[Json]) -> float:
    return min(float(each["value"]) for each in points if each["value"]) / 10


def _draw_settings(figures: Json) -> Figure:
    names = _settings(figures)
    [limit] = _points(figures, "limit")
    kinds = (
        ("records_per_second", "1,000 records/s", 1e-3),
        ("cpu_us_per_record", "CPU µs a record", 1),
        ("peak_mb", "peak MB", 1),
    )
    figure, grid = new_figure(2.0 * len(kinds), len(names), len(kinds))
    for at, axes in enumerate(grid):
        name, (figure_of, label, factor) = names[at % len(names)], kinds[at // len(names)]
        points = _points(figures, name)
        values = [each["value"] for each in points]
        line = Line("", BLUE, values, [each[figure_of] * factor for each in points])
        is_throughput = figure_of == "records_per_second"
        scale = Scale(
            log_x=True,
            ticks={value: with_thousands(value) for value in values},
            most=limit[figure_of] * factor if is_throughput else 0,
        )
        lines(axes, [line], x_label=name, y_label=label, scale=scale)
        if is_throughput:
            bound(axes, scale.most, r"psql \copy" if at == 0 else "")
    return figure


def _points(figures: Json, sweep: str) -> list[Json]:
    """The points of one sweep; the most devices are measured with the backlogs."""
    found = [each for each in figures["points"] if each["sweep"] == sweep]
    if sweep == "devices":
        backlog = found[0]["backlog"]
        found += [
            {**each, "value": each["devices"]}
            for each in _points(figures, "backlog")
            if each["backlog"] == backlog
        ]
    return found


def _settings(figures: Json) -> list[str]:
    names = dict.fromkeys(each["sweep"] for each in figures["points"])
    return [name for name in names if name.isupper()]


def _or_blank(value: float | None, form: str) -> str:
    return "" if value is None else f"{value:{form}}"


def _ratio(mine: float | None, peers: float | None) -> str:
    return "" if mine is None or peers is None else f"{mine / peers:.2f}"


PART = Part(
    name="sweeps",
    title="Memory, CPU and start of the processor",
    compared=f"""
One thing is changed at a time. Against the backlog and the devices, the asyncio service of the same run stands
beside the processor; each device has a row in the table already, so that both have something to restore. The peak
of memory is what the kernel keeps of the process (`VmHWM`). Ready is from the start of the process to its log line
`processor ready`. Without a backlog the service rests: idle is the CPU time in each of {IDLE_S:g} s, which begin
{AT_REST_S:g} s behind that line. Against the variables, throughput is a share of `\\copy` of the same rows. Less
memory, CPU time and waiting is better.
""",
    minutes=6.5,
    quick_minutes=1,
    measure=_measure,
    tables=_tables,
    plots=_plots,
)
