"""Instances that share the work, and how far the table is behind while one is killed, stopped, frozen or replaced."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures.part import Asked, Json, Part, Plot, Table
from bench.figures.style import LIMIT, OURS, QUIET, new_figure, over_time
from bench.measure import BenchError
from drills.processor.sharing.plot import name_spans

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHECKOUT = Path(__file__).parents[2]
FULL = ("--instances", "1,2,4", "--seconds", "4")
QUICK = ("--instances", "1,2", "--seconds", "1", "--backlog", "20000")
VIOLATED = 1
# More than a plot of this width can show.
SAMPLES_MAX = 1_000


def _measure(asked: Asked) -> Json:
    asked.progress(
        "failover: instances share the work, and are killed, stopped, frozen and replaced"
    )
    done = subprocess.run(
        [sys.executable, "-m", "dev.drill", "load", "--json", *(QUICK if asked.quick else FULL)],
        cwd=CHECKOUT,
        check=False,
        capture_output=True,
        text=True,
    )
    # A broken bound is a result, too.
    if done.returncode not in {0, VIOLATED}:
        raise BenchError(f"make load ended with {done.returncode}:\n{done.stderr[-2_000:]}")
    figures: Json = json.loads(done.stdout.splitlines()[-1])
    for run in figures["runs"]:
        run["samples"] = _thinned(run["samples"])
        del run["lives"], run["name"]
    # The name of the drill is drawn by lot.
    del figures["load"]
    figures["targets"] = _targets(figures)
    return figures


def _thinned(samples: Json) -> Json:
    step = len(samples["at_s"]) // SAMPLES_MAX + 1
    return {name: values[::step] for name, values in samples.items()}


def _targets(figures: Json) -> list[Json]:
    """Each event's worst, as the drill judged it, and what became of the records."""
    targets = []
    for run in figures["runs"]:
        for event in dict.fromkeys(each["event"] for each in run["events"]):
            mine = [each for each in run["events"] if each["event"] == event]
            times_s = [each["judged_ms"] / 1e3 for each in mine if each["judged_ms"] is not None]
            targets.append(
                {
                    "what": f"s until others had what it held, {event}, {_instances(run)}",
                    "measured": max(times_s) if len(times_s) == len(mine) else None,
                    "bound": mine[0]["bound_ms"] / 1e3,
                    "at_least": False,
                    "met": all(each["kept"] for each in mine),
                }
            )
        wrong = ("lost", "written_twice", "dead_lettered", "left_pending")
        targets.append(
            {
                "what": f"records lost, written twice, dead or left pending, {_instances(run)}",
                "measured": sum(run[name] for name in wrong),
                "bound": 0,
                "at_least": False,
                "met": not any(run[name] for name in wrong),
            }
        )
    return targets


def _instances(run: Json) -> str:
    return "1 instance" if run["instances"] == 1 else f"{run['instances']} instances"


def _tables(figures: Json) -> list[Table]:
    return [_shares(figures), _events(figures)]


def _shares(figures: Json) -> Table:
    header = (
        "instances", "backlog, records/s", "by one instance's", "shares of the backlog", "of the steady load",
        "rows / published",
    )  # fmt: skip
    one = _rate(figures["runs"][0])
    rows = [
        (
            f"{run['instances']}",
            "" if rate is None else f"{rate:,}",
            "" if rate is None or one is None else f"{rate / one:.2f}",
            _parts(run["backlog"]),
            _parts(run["steady"]),
            f"{run['rows']:,} / {run['published']:,}",
        )
        for run in figures["runs"]
        for rate in [_rate(run)]
    ]
    return Table("How instances share the work, all on the same two servers:", header, rows)


def _rate(run: Json) -> int | None:
    backlog = run["backlog"]
    rate: int | None = backlog["records_per_second"] if backlog else None
    return rate


def _parts(share: Json | None) -> str:
    total = sum(share["records"]) if share else 0
    if not share or not total:
        return ""
    return " ".join(f"{each / total:.0%}" for each in share["records"])


def _events(figures: Json) -> Table:
    header = (
        "event", "instances", "entries that it held", "s until others had them", "allowed s",
        "oldest record without a row, s", "records without a row",
    )  # fmt: skip
    rows = [
        (
            each["event"],
            f"{run['instances']}",
            f"{each['held']:,}",
            _seconds(each["judged_ms"]),
            _seconds(each["bound_ms"]),
            _seconds(each["oldest_uncommitted_ms_max"]),
            "" if each["uncommitted_max"] is None else f"{each['uncommitted_max']:,}",
        )
        for run in figures["runs"]
        for each in run["events"]
    ]
    # What was left at its default is null.
    chosen = {name: value for name, value in figures["settings"].items() if value is not None}
    settings = ", ".join(f"`{name}={value}`" for name, value in chosen.items())
    caption = "Each instance that something happened to, and the most that the table was behind from then on"
    return Table(f"{caption}; {settings}:", header, rows)


def _seconds(value_ms: float | None) -> str:
    return "" if value_ms is None else f"{value_ms / 1e3:.2f}"


def _plots(figures: Json) -> list[Plot]:
    return [
        Plot(
            f"lag-{run['instances']}",
            f"How far the table was behind, over time, with {_instances(run)}: the age of the oldest record without a"
            " row, and the number of such records. Lower is better; a grey field is from an event to the moment when as"
            " many instances are at work as before.",
            partial(_draw, run),
        )
        for run in figures["runs"]
        if run["spans"]
    ]


def _draw(run: Json) -> Figure:
    figure, [ages, counts] = new_figure(4.4, rows=2)
    samples: dict[str, list[float]] = run["samples"]
    spans: list[dict[str, Any]] = run["spans"]
    over_time(ages, samples["at_s"], {OURS: samples["oldest_uncommitted_s"]}, spans)
    over_time(
        counts, samples["at_s"], {LIMIT: samples["pending"], OURS: samples["uncommitted"]}, spans
    )
    ages.set_title("oldest record without a row, s", fontsize=9, color=QUIET, loc="left", pad=18)
    counts.set_title(
        "records without a row (blue), entries pending (grey)", fontsize=9, color=QUIET, loc="left"
    )
    counts.set_xlabel("seconds since the start")
    name_spans(ages, spans, fontsize=8, color=QUIET)
    return figure


PART = Part(
    name="failover",
    title="Instances that share the work, and lose one",
    compared="""
Real processes in one group, under a steady load: one is killed (`kill9`), stopped (`sigterm`), frozen for longer
than the claim threshold and thawed (`freeze`), then all of them are replaced one after the other, by new names
(`rolling-new`), by the same names (`rolling-same`), and by a second process of the same name beside the first
(`rolling-twins`). The limit is the contract's: a stop hands over within a second, and what a killed or frozen one
held is with others within `CLAIM_THRESHOLD_MS` and one `CLAIM_INTERVAL_MS`; with the defaults of production, 60 s
and 15 s, these two take as much longer. Until then only the records that it held wait: the others' go on. Before,
they work off a backlog together: how evenly, and how much faster than one, where servers and instances share the
processors. `make load` does the same.
""",
    minutes=3,
    quick_minutes=0.8,
    measure=_measure,
    tables=_tables,
    plots=_plots,
)
