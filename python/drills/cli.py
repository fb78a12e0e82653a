"""`processor drill sigterm`: stops, kills or cuts off the service under load, and judges what the servers hold."""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from drills.command import ContainerCommand, ProcessCommand, this_installation
from drills.errors import DrillFailed, DrillRefused
from drills.plan import Fault
from drills.request import Request, Rows
from processor.cli import COMMANDS
from telemetry.chassis.errors import ConfigError, EdgeError
from telemetry.chassis.exit_codes import ExitCode

if TYPE_CHECKING:
    from drills.command import Command
    from drills.result import Result
    from processor.cli import Subparsers

_EXIT_PASSED, _EXIT_VIOLATED, _EXIT_MISUSE, _EXIT_FAILED, _EXIT_INTERRUPTED = 0, 1, 2, 3, 130
_COUNT_MAX = 1_000_000

_DESCRIPTION = """\
Starts the service, publishes load, strikes at a random moment, starts it again, and so on. After the last round
everything must settle. Then every record that was published must be in the table exactly once, and every stop must
have kept the drain budget, released what it left, and told the truth about it in its last log line.

The drill works on a stream and a consumer group of its own, with devices that no vehicle has (IMEIs that begin with
00999), on the servers of REDIS_URL and POSTGRES_URL. It removes all of that at the end, also after Ctrl-C. Run it
against a staging system, never against production: the servers feel the load."""

_EPILOG = """\
faults:
  sigterm           a stop request
  kill9             SIGKILL, in the middle of whatever it does
  freeze-postgres   PostgreSQL stops answering, then a stop request; in every second pair of rounds it comes back
  freeze-redis      the same with Redis. A relay between service and server does it: no server is touched

examples:
  export REDIS_URL=redis://staging POSTGRES_URL=postgres://processor@staging/telemetry
  processor drill sigterm --rounds 200 --report drills      200 stop requests, and a report with plots
  processor drill sigterm --rounds 100 --fault kill9
  DRAIN_BUDGET_MS=2000 processor drill sigterm --fault freeze-postgres
  processor drill sigterm --container processor             the image instead of this installation
  processor drill sigterm --seed 7 --json | jq .drain_ms_p99
  POSTGRES_ADMIN_URL=postgres://owner@staging/telemetry processor drill sigterm    where processor may not delete

environment: REDIS_URL and POSTGRES_URL; POSTGRES_ADMIN_URL, a role that may delete the drill's rows. The service
  gets the other settings as they are, but for names, port and log; CLAIM_THRESHOLD_MS is 3000 unless it is set.
exit codes: 0 no violation, 1 at least one, 2 wrong arguments or a stream in use or a right is missing,
  3 the service does not start, 4 a server is unreachable or refuses, 78 bad configuration, 130 interrupted"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the parser of `drill`, whose only drill is `sigterm`."""
    parser = subparsers.add_parser("drill", help=COMMANDS["drill"], description=COMMANDS["drill"])
    drills = parser.add_subparsers(title="drills", metavar="DRILL", required=True)
    sigterm = drills.add_parser(
        "sigterm",
        help="stop requests at random moments under load, or worse",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sigterm.set_defaults(command=run)
    _add_load(sigterm.add_argument_group("the rounds"))
    _add_service(sigterm.add_argument_group("the service under test"))
    _add_traces(sigterm.add_argument_group("what the drill uses and leaves"))


def _add_load(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--rounds",
        type=_count,
        default=20,
        metavar="N",
        help="lives of the service (default %(default)s)",
    )
    add("--fault", choices=[each.value for each in Fault], default=Fault.SIGTERM.value,
        help="what is done to each of them (default %(default)s)")  # fmt: skip
    add(
        "--seed",
        type=_number,
        metavar="N",
        help="replays the moments of a drill (default: drawn, and told)",
    )
    add("--rate", type=_number, default=2_000, metavar="PER_SECOND",
        help="records a second, all the time (default %(default)s)")  # fmt: skip
    add("--backlog", type=_number, default=20_000, metavar="RECORDS",
        help="records that wait before every second round (default %(default)s)")  # fmt: skip
    add("--within-ms", type=_number, default=1_000, metavar="MS",
        help="the fault comes at most so long after `processor ready` (default %(default)s)")  # fmt: skip


def _add_service(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    what = group.add_mutually_exclusive_group().add_argument
    what("--container", metavar="IMAGE", help="run this image, with the host's network")
    what("--command", dest="service", metavar="COMMAND",
         help="run this command instead of this installation's `processor run`")  # fmt: skip
    add("--engine", default="docker", help="the container engine's command (default %(default)s)")
    add("--instances", type=_count, default=2, metavar="N",
        help="consumer names, taken in turn: from 2 on another one takes over (default %(default)s)")  # fmt: skip
    add("--tolerance-ms", type=_number, default=500, metavar="MS",
        help="what an end may take beyond DRAIN_BUDGET_MS and a second (default %(default)s)")  # fmt: skip


def _add_traces(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--stream", metavar="NAME", help="default telemetry:drill-<number>")
    add("--force", action="store_true", help="use the stream although it has entries or groups")
    add("--rows", choices=[each.value for each in Rows], default=Rows.DELETE.value,
        help="what becomes of the drill's rows (default %(default)s)")  # fmt: skip
    add(
        "--report",
        type=Path,
        metavar="DIR",
        help="write an HTML report with plots into this directory",
    )
    add("--json", action="store_true", help="print one JSON object instead of a table")


def run(arguments: argparse.Namespace) -> int:
    """Hold the drill of the command line; the exit code."""
    for name in ("REDIS_URL", "POSTGRES_URL"):
        if not os.environ.get(name):
            return _fail(
                ExitCode.BAD_CONFIGURATION, f"{name} is not set: name the staging system's server"
            )
    # Imported late: help and misuse need neither the event loop nor the servers' clients.
    import trio  # noqa: PLC0415

    from drills.assembly import drill  # noqa: PLC0415

    request = _request(arguments)
    code: int = _EXIT_INTERRUPTED
    result: Result | None = None
    try:
        result = trio.run(partial(drill, request, dict(os.environ), _tell))
    except* ConfigError as group:
        code = _fail(ExitCode.BAD_CONFIGURATION, _first(group))
    except* DrillRefused as group:
        code = _fail(_EXIT_MISUSE, _first(group))
    except* DrillFailed as group:
        code = _fail(_EXIT_FAILED, _first(group))
    except* EdgeError as group:
        code = _fail(ExitCode.UNREACHABLE, _first(group))
    return code if result is None else _show(result, arguments)


def _show(result: Result, arguments: argparse.Namespace) -> int:
    from drills.report import write_report  # noqa: PLC0415
    from drills.summary import as_table, violation_lines  # noqa: PLC0415

    code = _EXIT_VIOLATED if result.violations else _EXIT_PASSED
    if arguments.json:
        sys.stdout.write(result.as_json() + "\n")
    else:
        from rich.console import Console  # noqa: PLC0415

        Console().print(as_table(result))
        for line in violation_lines(result):
            sys.stdout.write(f"violation: {line}\n")
    if arguments.report:
        try:
            _tell(f"report: {write_report(result, arguments.report)}")
        except OSError as error:
            _tell(f"the report cannot be written to {error.filename}: {error.strerror}")
            code = code or _EXIT_MISUSE
    return code


def _request(arguments: argparse.Namespace) -> Request:
    seed = arguments.seed
    return Request(
        fault=Fault(arguments.fault),
        rounds=arguments.rounds,
        seed=secrets.randbelow(_COUNT_MAX) if seed is None else seed,
        rate=arguments.rate,
        backlog=arguments.backlog,
        within_ms=arguments.within_ms,
        instances=arguments.instances,
        tolerance_ms=arguments.tolerance_ms,
        stream=arguments.stream,
        force=arguments.force,
        rows=Rows(arguments.rows),
        command=_command(arguments),
    )


def _command(arguments: argparse.Namespace) -> Command:
    if arguments.container:
        return ContainerCommand(arguments.container, arguments.engine)
    if arguments.service:
        return ProcessCommand(tuple(shlex.split(arguments.service)))
    return this_installation()


def _first(group: BaseExceptionGroup[Exception]) -> str:
    """The message of the first error in it: what else fails then follows from that."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


def _fail(code: int, message: str) -> int:
    _tell(f"processor drill: {message}")
    return code


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")


def _count(text: str) -> int:
    return _integer_from(1, text)


def _number(text: str) -> int:
    return _integer_from(0, text)


def _integer_from(least: int, text: str) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text) <= _COUNT_MAX):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number from {least} to {_COUNT_MAX}"
        )
    return int(text)
