"""What the commands `drill` of the services share: options, and how a drill's outcome is shown.

Light: `--help` of a service imports the command.
"""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from telemetry.chassis.cli import INTERRUPTED, MISUSE, Failed, json_option, print_at_once, say
from telemetry.chassis.config.sources import files_read
from telemetry.chassis.errors import ConfigError, EdgeError
from telemetry.chassis.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from drills.launch import Launcher
    from drills.plan import Fault
    from drills.result import Result

EXIT_PASSED, EXIT_VIOLATED = 0, 1
_EXIT_FAILED = 3

Outcome = TypeVar("Outcome")

COUNT = click.IntRange(1, 1_000_000)
NUMBER = click.IntRange(0, 1_000_000)


def shared_options(faults: Sequence[Fault], *, within_ms: int) -> Callable[[Any], Any]:
    """The options of every drill; `within_ms` is the default of one of them."""
    options = [
        click.option("--rounds", type=COUNT, default=20, metavar="N", help="Lives of the service."),
        click.option(
            "--fault",
            type=click.Choice([each.value for each in faults]),
            default=faults[0].value,
            help="What is done to each of them.",
        ),
        click.option(
            "--seed",
            type=NUMBER,
            metavar="N",
            help="Replays the moments of a drill. Default: drawn, and printed at the start.",
        ),
        click.option(
            "--within-ms",
            type=NUMBER,
            default=within_ms,
            metavar="MS",
            help="The fault comes at most this long after the service is ready.",
        ),
        click.option(
            "--container", metavar="IMAGE", help="Run this image, with the host's network."
        ),
        click.option(
            "--command", metavar="COMMAND", help="Run this instead of this installation's service."
        ),
        click.option("--engine", default="docker", help="The container engine's command."),
        click.option(
            "--tolerance-ms",
            type=NUMBER,
            default=500,
            metavar="MS",
            help="What an end may take beyond DRAIN_BUDGET_MS and a second.",
        ),
        click.option(
            "--report",
            "report_directory",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Write an HTML report into this directory, with plots if matplotlib is installed.",
        ),
        json_option,
    ]

    def decorate(command: Any) -> Any:  # noqa: ANN401  # as click's own decorators
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def seed_or_drawn(seed: int | None) -> int:
    """The seed that was asked for, or one that nobody chose."""
    return secrets.randbelow(1_000_000) if seed is None else seed


def launcher_of(
    package: str, ready_line: str, *, command: str | None, container: str | None, engine: str
) -> Launcher:
    """How the service is started: as an image, by a command, or as it is installed here."""
    from drills.launch import ContainerLauncher, ProcessLauncher, of_this_installation  # noqa: PLC0415

    if command and container:
        raise click.UsageError("--command and --container exclude each other.")
    if container:
        return ContainerLauncher(container, engine, ready_line)
    argv = tuple(shlex.split(command)) if command else of_this_installation(package)
    return ProcessLauncher(argv, ready_line)


def environment_with(*urls: str) -> dict[str, str]:
    """The drill's own, with the contents of files that hold these URLs. Raises ConfigError."""
    environ = files_read(os.environ, *urls)
    for name in urls:
        if not environ.get(name):
            raise ConfigError(f"{name} is not set: name the staging system's server")
    return environ


def hold_and_show(
    program: str,
    hold: Callable[[], Awaitable[Result | None]],
    report_directory: Path | None,
    *,
    as_json: bool,
) -> int:
    """Hold a drill and show its outcome; the exit code."""
    result = held(program, hold)
    return INTERRUPTED if result is None else _show(result, report_directory, as_json=as_json)


def held(program: str, hold: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """What the drill found; None if it was interrupted. Errors come out of nurseries, hence in groups."""
    # Imported late: help and misuse need neither the event loop nor the servers' clients.
    import trio  # noqa: PLC0415

    from drills.service import DrillFailed  # noqa: PLC0415
    from drills.traces import DrillRefused  # noqa: PLC0415

    errors: list[Exception] = []
    try:
        return trio.run(hold)
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
        say(f"{program} drill: {other}")
    raise decisive


def _first(group: BaseExceptionGroup[Exception]) -> str:
    """The message of the first error in it: the others follow from that."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


def _show(result: Result, report_directory: Path | None, *, as_json: bool) -> int:
    from drills.report import as_table, violation_lines, write_report  # noqa: PLC0415

    code = EXIT_VIOLATED if result.violations else EXIT_PASSED
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
