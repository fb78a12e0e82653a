"""`processor drill`: found by the entry point group `processor.commands`. Light: `processor --help` imports it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from drills.cli import (
    COUNT,
    NUMBER,
    environment_with,
    hold_and_show,
    launcher_of,
    seed_or_drawn,
    shared_options,
)
from drills.plan import Fault
from drills.processor.options import ProcessorOptions, Rows
from drills.processor.sharing.cli import load
from telemetry.chassis.cli import say

_EPILOG = """\
\b
Faults:
  sigterm           a stop request
  kill9             SIGKILL, in the middle of whatever it does
  freeze-postgres   PostgreSQL stops answering, then a stop request; every second pair it returns
  freeze-redis      the same with Redis. A relay before the server does it: no server is touched

\b
Examples:
  export REDIS_URL=redis://staging POSTGRES_URL=postgres://processor@staging/telemetry
  processor drill sigterm --rounds 200 --report drills  # 200 rounds, and a report with plots
  processor drill sigterm --rounds 100 --fault kill9
  DRAIN_BUDGET_MS=2000 processor drill sigterm --fault freeze-postgres
  processor drill sigterm --container processor         # the image instead of this installation
  processor drill sigterm --seed 7 --json | jq .drain_ms_p99
  POSTGRES_ADMIN_URL=postgres://owner@staging/telemetry processor drill sigterm

Environment: REDIS_URL and POSTGRES_URL, as the service has them; POSTGRES_ADMIN_URL, a role that may delete the drill's
rows; REDIS_ADMIN_URL, a user that may make and delete its streams (deploy/redis/drill.acl). The service gets the other
settings as they are, except names, port and log; CLAIM_THRESHOLD_MS is 3000 unless it is set.

Exit codes: 0 no violation, 1 at least one, 2 wrong arguments or a stream in use or a right is missing, 3 the service
does not start, 4 a server is unreachable or refuses, 78 bad configuration, 130 interrupted"""


_SUMMARY = "Stop, kill and cut off the service under load, and check that nothing is lost."


# Without `short_help` the list of commands would cut it off.
@click.group(help=_SUMMARY, short_help=_SUMMARY)
def drill() -> None:
    """The program's part of `processor drill`: nothing but its commands."""


drill.add_command(load)


@drill.command(epilog=_EPILOG)
@shared_options(list(Fault), within_ms=1_000)
@click.option(
    "--rate",
    type=NUMBER,
    default=2_000,
    metavar="PER_SECOND",
    help="Records a second, all the time.",
)
@click.option(
    "--backlog",
    type=NUMBER,
    default=20_000,
    metavar="RECORDS",
    help="Records that wait before every second round.",
)
@click.option(
    "--instances",
    type=COUNT,
    default=2,
    metavar="N",
    help="Consumer names, taken in turn: from 2 on another one takes over.",
)
@click.option("--stream", metavar="NAME", help="Default: telemetry:drill-<number>.")
@click.option("--force", is_flag=True, help="Use the stream although it has entries or groups.")
@click.option(
    "--rows",
    type=click.Choice([each.value for each in Rows]),
    default=Rows.DELETE.value,
    help="What becomes of the drill's rows.",
)
def sigterm(  # noqa: PLR0913  # one for each option
    *,
    fault: str,
    seed: int | None,
    rows: str,
    command: str | None,
    container: str | None,
    engine: str,
    report_directory: Path | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401  # the fields of ProcessorOptions, checked by click
) -> int:
    """Stop requests at random moments under load, or worse.

    Starts the service, publishes load, strikes at a random moment, starts it again, and so on. After the last round
    everything must settle. Then every published record must be in the table exactly once, and every stop must have kept
    the drain budget, released what it left, and said so truthfully in its last log line.

    The drill works on a stream and a consumer group that only it uses, with devices that no vehicle has (IMEIs that
    begin with 00999), on the servers of REDIS_URL and POSTGRES_URL. It removes all of that at the end, also after
    Ctrl-C. Run it against a staging system, never against production: the servers feel the load.
    """
    # Imported late: help needs neither the event loop nor the servers' clients.
    from drills.processor.assembly import hold_drill  # noqa: PLC0415

    launcher = launcher_of(
        "processor", "processor ready", command=command, container=container, engine=engine
    )
    environ = environment_with("REDIS_URL", "POSTGRES_URL")
    drawn = ProcessorOptions(
        fault=Fault(fault), rows=Rows(rows), seed=seed_or_drawn(seed), **options
    )
    hold = partial(hold_drill, drawn, launcher, environ, say)
    return hold_and_show("processor", hold, report_directory, as_json=as_json)
