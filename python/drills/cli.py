"""`processor drill`: found by the entry point group `processor.commands`. Light: `processor --help` imports it."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drills.plan import DrillOptions, Fault, Rows
from telemetry.chassis.cli import INTERRUPTED, MISUSE, Failed, json_option, print_at_once, say
from telemetry.chassis.config.sources import files_read
from telemetry.chassis.errors import ConfigError, EdgeError
from telemetry.chassis.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drills.launch import Launcher
    from drills.result import Result

_EXIT_PASSED, _EXIT_VIOLATED, _EXIT_FAILED = 0, 1, 3
_COUNT = click.IntRange(1, 1_000_000)
_NUMBER = click.IntRange(0, 1_000_000)

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


@drill.command(epilog=_EPILOG)
@click.option("--rounds", type=_COUNT, default=20, metavar="N", help="Lives of the service.")
@click.option(
    "--fault",
    type=click.Choice([each.value for each in Fault]),
    default=Fault.SIGTERM.value,
    help="What is done to each of them.",
)
@click.option(
    "--seed",
    type=_NUMBER,
    metavar="N",
    help="Replays the moments of a drill. Default: drawn, and printed at the start.",
)
@click.option(
    "--rate",
    type=_NUMBER,
    default=2_000,
    metavar="PER_SECOND",
    help="Records a second, all the time.",
)
@click.option(
    "--backlog",
    type=_NUMBER,
    default=20_000,
    metavar="RECORDS",
    help="Records that wait before every second round.",
)
@click.option(
    "--within-ms",
    type=_NUMBER,
    default=1_000,
    metavar="MS",
    help="The fault comes at most this long after `processor ready`.",
)
@click.option("--container", metavar="IMAGE", help="Run this image, with the host's network.")
@click.option(
    "--command", metavar="COMMAND", help="Run this instead of this installation's `processor run`."
)
@click.option("--engine", default="docker", help="The container engine's command.")
@click.option(
    "--instances",
    type=_COUNT,
    default=2,
    metavar="N",
    help="Consumer names, taken in turn: from 2 on another one takes over.",
)
@click.option(
    "--tolerance-ms",
    type=_NUMBER,
    default=500,
    metavar="MS",
    help="What an end may take beyond DRAIN_BUDGET_MS and a second.",
)
@click.option("--stream", metavar="NAME", help="Default: telemetry:drill-<number>.")
@click.option("--force", is_flag=True, help="Use the stream although it has entries or groups.")
@click.option(
    "--rows",
    type=click.Choice([each.value for each in Rows]),
    default=Rows.DELETE.value,
    help="What becomes of the drill's rows.",
)
@click.option(
    "--report",
    "report_directory",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write an HTML report into this directory, with plots if matplotlib is installed.",
)
@json_option
def sigterm(
    *,
    command: str | None,
    container: str | None,
    engine: str,
    report_directory: Path | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401  # the fields of DrillOptions, checked by click
) -> int:
    """Stop requests at random moments under load, or worse.

    Starts the service, publishes load, strikes at a random moment, starts it again, and so on. After the last round
    everything must settle. Then every published record must be in the table exactly once, and every stop must have kept
    the drain budget, released what it left, and said so truthfully in its last log line.

    The drill works on a stream and a consumer group that only it uses, with devices that no vehicle has (IMEIs that
    begin with 00999), on the servers of REDIS_URL and POSTGRES_URL. It removes all of that at the end, also after
    Ctrl-C. Run it against a staging system, never against production: the servers feel the load.
    """
    if command and container:
        raise click.UsageError("--command and --container exclude each other.")
    environ = _environment()
    from drills.launch import ContainerLauncher, ProcessLauncher, this_installation  # noqa: PLC0415

    launcher: Launcher = this_installation()
    if container:
        launcher = ContainerLauncher(container, engine)
    elif command:
        launcher = ProcessLauncher(tuple(shlex.split(command)))
    result = _hold(_drill_options(**options), launcher, environ)
    return INTERRUPTED if result is None else _show(result, report_directory, as_json=as_json)


def _environment() -> dict[str, str]:
    """Its own, with the contents of files that hold URLs. Raises ConfigError."""
    environ = files_read(os.environ, "REDIS_URL", "POSTGRES_URL")
    for name in ("REDIS_URL", "POSTGRES_URL"):
        if not environ.get(name):
            raise ConfigError(f"{name} is not set: name the staging system's server")
    return environ


def _drill_options(
    *,
    fault: str,
    rows: str,
    seed: int | None,
    **others: Any,  # noqa: ANN401  # the other fields
) -> DrillOptions:
    drawn = secrets.randbelow(1_000_000) if seed is None else seed
    return DrillOptions(fault=Fault(fault), rows=Rows(rows), seed=drawn, **others)


def _hold(options: DrillOptions, launcher: Launcher, environ: Mapping[str, str]) -> Result | None:
    """Hold the drill; None if it was interrupted. Errors come out of nurseries, hence in groups."""
    # Imported late: help and misuse need neither the event loop nor the servers' clients.
    import trio  # noqa: PLC0415

    from drills.assembly import hold_drill  # noqa: PLC0415
    from drills.service import DrillFailed  # noqa: PLC0415
    from drills.traces import DrillRefused  # noqa: PLC0415

    errors: list[Exception] = []
    try:
        return trio.run(partial(hold_drill, options, launcher, environ, say))
    except* ConfigError as group:
        errors.append(ConfigError(_first(group)))
    except* DrillRefused as group:
        errors.append(Failed(_first(group), MISUSE))
    except* DrillFailed as group:
        errors.append(Failed(_first(group), _EXIT_FAILED))
    except* EdgeError as group:
        errors.append(Failed(_first(group), ExitCode.UNREACHABLE))
    *others, decisive = errors
    for other in others:
        say(f"processor drill: {other}")
    raise decisive


def _first(group: BaseExceptionGroup[Exception]) -> str:
    """The message of the first error in it: the others follow from that."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


def _show(result: Result, report_directory: Path | None, *, as_json: bool) -> int:
    from drills.report import as_table, violation_lines, write_report  # noqa: PLC0415

    code = _EXIT_VIOLATED if result.violations else _EXIT_PASSED
    if as_json:
        print_at_once(result.as_json() + "\n")
    else:
        from rich.console import Console  # noqa: PLC0415

        Console().print(as_table(result))
        for line in violation_lines(result):
            sys.stdout.write(f"violation: {line}\n")
    if report_directory:
        try:
            say(f"report: {write_report(result, report_directory)}")
        except OSError as error:
            say(f"the report cannot be written to {error.filename}: {error.strerror}")
            code = code or MISUSE
    return code
