"""`processor drill load`. Light: `--help` imports it."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drills.cli import (
    COUNT,
    EXIT_PASSED,
    EXIT_VIOLATED,
    NUMBER,
    environment_with,
    held,
    launcher_of,
)
from drills.processor.options import Rows
from drills.processor.sharing.plan import Event, LoadOptions
from telemetry.chassis.cli import INTERRUPTED, MISUSE, json_option, print_at_once, say

if TYPE_CHECKING:
    from collections.abc import Callable

_EPILOG = """\
\b
What happens under the steady load, one after the other:
  share           nothing: they work off a backlog together, then the steady load
  kill9           SIGKILL to one of them while it holds entries
  sigterm         a stop request to one of them while it holds entries
  freeze          SIGSTOP for longer than the claim threshold, then SIGCONT
  rolling-new     each is replaced: a new name is started, then the old one is stopped
  rolling-same    each is stopped, then started again under its name
  rolling-twins   each gets a second process of its name, then the first is stopped

\b
Examples:
  export REDIS_URL=redis://staging POSTGRES_URL=postgres://processor@staging/telemetry
  processor drill load --report load                    # 1, 2 and 4 instances, everything, and the plots
  processor drill load --instances 2 --only kill9 --rate 2000
  CLAIM_THRESHOLD_MS=60000 CLAIM_INTERVAL_MS=15000 processor drill load --only freeze
  processor drill load --json | jq '.runs[].events[] | {event, judged_ms, bound_ms}'
  make load ARGS="--instances 4 --seconds 2"            # on servers that are started for it

A stop must hand over what the instance held within a second; after a kill and in a freeze others must have it within
CLAIM_THRESHOLD_MS + CLAIM_INTERVAL_MS + --tolerance-ms. In the end each record must be in the table once, nothing
pending, and every ledger must balance.

Environment: as `processor drill sigterm`; CLAIM_THRESHOLD_MS is 3000 and CLAIM_INTERVAL_MS 1000 unless they are set.
BATCH_SIZE, WRITERS, READ_INTERVAL_MS and the other settings go to the instances as they are.

Exit codes: 0 no violation, 1 at least one, 2 wrong arguments or a right is missing, 3 an instance does not start, 4 a
server is unreachable or refuses, 78 bad configuration, 130 interrupted"""

_SUMMARY = "Let instances share a steady load; kill, stop, freeze and replace them, and measure."
_INTERVAL_MS = "1000"


class Numbers(click.ParamType[tuple[int, ...]]):
    """Numbers of instances, with commas or blanks between."""

    name = "numbers"

    def convert(
        self,
        value: Any,  # noqa: ANN401  # as click's own
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, ...]:
        """The numbers. Fails as click's own types do."""
        if isinstance(value, tuple):
            return value
        words = [word for word in re.split(r"[,\s]+", value) if word]
        if not words or not all(word.isdecimal() and 1 <= int(word) <= 64 for word in words):
            self.fail(f"{value!r} is no list of numbers from 1 to 64, such as 1,2,4", param, ctx)
        return tuple(int(word) for word in words)


@click.command(help=_SUMMARY, short_help=_SUMMARY, epilog=_EPILOG)
@click.option(
    "--instances",
    type=Numbers(),
    default="1,2,4",
    metavar="N,N,...",
    help="A run for each of these numbers of instances. Default: 1,2,4.",
)
@click.option(
    "--only",
    "events",
    type=click.Choice([each.value for each in Event]),
    multiple=True,
    help="Only this; may be repeated. Default: everything.",
)
@click.option(
    "--rate",
    type=COUNT,
    default=1_000,
    metavar="PER_SECOND",
    help="Records a second, all the time: what the machine keeps up with.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, 3_600),
    default=5.0,
    metavar="S",
    help="Steady load before the first event, and behind each.",
)
@click.option(
    "--backlog",
    type=NUMBER,
    default=100_000,
    metavar="RECORDS",
    help="Records that they work off together at the start.",
)
@click.option(
    "--tolerance-ms",
    type=NUMBER,
    default=300,
    metavar="MS",
    help="What a takeover may take beyond the claim threshold and an interval.",
)
@click.option(
    "--command", metavar="COMMAND", help="Run this instead of this installation's service."
)
@click.option(
    "--rows",
    type=click.Choice([each.value for each in Rows]),
    default=Rows.DELETE.value,
    help="What becomes of the records' rows.",
)
@click.option(
    "--report",
    "report_directory",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the figures into this directory, and a plot of each run if matplotlib is installed.",
)
@json_option
def load(
    *,
    events: tuple[str, ...],
    command: str | None,
    rows: str,
    report_directory: Path | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401  # the fields of LoadOptions, checked by click
) -> int:
    """`processor drill load`."""
    # Imported late: help needs neither the event loop nor the servers' clients.
    from drills.processor.sharing.assembly import Runs  # noqa: PLC0415
    from drills.progress import progress_bar  # noqa: PLC0415

    launcher = launcher_of(
        "processor", "processor ready", command=command, container=None, engine=""
    )
    environ = {"CLAIM_INTERVAL_MS": _INTERVAL_MS, **environment_with("REDIS_URL", "POSTGRES_URL")}
    chosen = tuple(Event(each) for each in events) or tuple(Event)
    drawn = LoadOptions(events=chosen, **options)
    runs = Runs(drawn, launcher, environ, Rows(rows), say)
    total = sum(len(drawn.events_with(each)) for each in drawn.instances)
    with progress_bar(total) as show:
        figures = held("processor", partial(runs.hold, _shown(show)))
    if figures is None:
        return INTERRUPTED
    return _show(figures, report_directory, as_json=as_json)


def _shown(show: Callable[[Any], None]) -> Callable[[int, int], None]:
    """Counts the events that are done, for a bar of rounds."""
    from drills.conductor import Progress  # noqa: PLC0415

    done = 0

    def count(_instances: int, records: int) -> None:
        nonlocal done
        done += 1
        show(Progress(done, records, 0))

    return count


def _show(figures: dict[str, Any], report_directory: Path | None, *, as_json: bool) -> int:
    from drills.processor.sharing.report import as_tables, write_files  # noqa: PLC0415

    code = EXIT_VIOLATED if figures["violations"] else EXIT_PASSED
    if as_json:
        print_at_once(json.dumps(figures, separators=(",", ":")) + "\n")
    else:
        from rich.console import Console  # noqa: PLC0415

        console = Console()
        for table in as_tables(figures):
            console.print(table)
        for text in figures["violation_texts"]:
            console.print(f"violation: {text}", markup=False)
    if report_directory:
        try:
            write_files(figures, report_directory, say)
        except OSError as error:
            say(f"the report cannot be written to {error.filename}: {error.strerror}")
            code = code or MISUSE
    return code
