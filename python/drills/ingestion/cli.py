"""`tcp-ingestion drill`: found by the entry point group `ingestion.commands`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from drills.cli import (
    COUNT,
    environment_with,
    hold_and_show,
    launcher_of,
    seed_or_drawn,
    shared_options,
)
from drills.plan import DrillOptions, Fault
from telemetry.chassis.cli import say

_FAULTS = (Fault.SIGTERM, Fault.KILL9, Fault.FREEZE_REDIS)

_EPILOG = """\
\b
Faults:
  sigterm       a stop request
  kill9         SIGKILL, in the middle of whatever it does
  freeze-redis  Redis stops answering, then a stop request; every second pair it returns. A relay before the server does
                it: no server is touched

\b
Examples:
  export REDIS_URL=redis://staging
  tcp-ingestion drill sigterm --rounds 200 --report drills  # 200 rounds, and a report
  tcp-ingestion drill sigterm --rounds 100 --fault kill9
  DRAIN_BUDGET_MS=2000 tcp-ingestion drill sigterm --fault freeze-redis
  tcp-ingestion drill sigterm --seed 7 --json | jq .drain_ms_p99

Environment: REDIS_URL, as the service has it; REDIS_ADMIN_URL, a user that may read and delete the drill's stream
(deploy/redis/drill.acl). The service gets the other settings as they are, except names, ports, stream and log.

Exit codes: 0 no violation, 1 at least one, 2 wrong arguments or a right is missing, 3 the service or the devices do not
start, 4 Redis is unreachable or refuses, 78 bad configuration, 130 interrupted"""

_SUMMARY = (
    "Stop, kill and cut off the service under load, and check that what it answered is there."
)


# Without `short_help` the list of commands would cut it off.
@click.group(help=_SUMMARY, short_help=_SUMMARY)
def drill() -> None:
    """The program's part of `tcp-ingestion drill`: nothing but its commands."""


@drill.command(epilog=_EPILOG)
@shared_options(_FAULTS, within_ms=2_000)
@click.option("--devices", type=COUNT, default=50, metavar="N", help="Devices that send.")
@click.option(
    "--rate",
    type=COUNT,
    default=200,
    metavar="PER_SECOND",
    help="Frames a second of all devices together, all the time.",
)
def sigterm(  # noqa: PLR0913  # one for each option
    *,
    fault: str,
    seed: int | None,
    devices: int,
    command: str | None,
    container: str | None,
    engine: str,
    report_directory: Path | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401  # the other fields of DrillOptions, checked by click
) -> int:
    """Stop requests at random moments under load, or worse.

    Starts the service and devices that send to it, strikes at a random moment, starts it again on the same port, and so
    on; the devices keep the protocol's rules and send again what was not answered. After the last round every device
    must get an answer. Then every answered record must be in the stream, with nothing that no device sent, and every
    stop must have kept the drain budget.

    The drill works on a stream that only it uses, with devices that no vehicle has (IMEIs that begin with 00998), on
    the server of REDIS_URL. It removes all of that at the end, also after Ctrl-C. Run it against a staging system.
    """
    # Imported late: help needs neither the event loop nor the server's client.
    from drills.ingestion.assembly import hold_drill  # noqa: PLC0415

    launcher = launcher_of(
        "ingestion", "tcp-ingestion ready", command=command, container=container, engine=engine
    )
    environ = environment_with("REDIS_URL")
    drawn = DrillOptions(fault=Fault(fault), seed=seed_or_drawn(seed), **options)
    hold = partial(hold_drill, drawn, devices, launcher, environ, say)
    return hold_and_show("tcp-ingestion", hold, report_directory, as_json=as_json)
