"""The command line: one module for each command, loaded only when that command is asked for.

Commands of programs that stand above the service, `drill`, are found by the entry point group `processor.commands`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from telemetry.chassis import stop_signals

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "run": (
        "processor.cli.run:run",
        "Write the stream's positions into the table until a stop request.",
    ),
    "publish": (
        "processor.cli.publish:publish",
        "Publish captured Teltonika frames as tcp-ingestion would.",
    ),
    "status": (
        "processor.cli.status:status",
        "Show everything on one screen, what is wrong, and what to type next.",
    ),
    "top": ("processor.cli.top:top", "Watch the service live, in a terminal."),
    "lag": (
        "processor.cli.lag:lag",
        "Show how many entries wait to be delivered, and to be settled.",
    ),
    "pending": (
        "processor.cli.pending:pending",
        "List entries that were delivered and are not settled, the oldest first.",
    ),
    "consumers": (
        "processor.cli.consumers:consumers",
        "Show the names in the group, and who answers for them.",
    ),
    "claim": (
        "processor.cli.claim:claim",
        "Free the pending entries of a dead consumer, and ask the living instances to claim them at once.",
    ),
    "instances": (
        "processor.cli.instances:instances",
        "Show which instances are running, and what they are doing.",
    ),
    "device": (
        "processor.cli.device:device",
        "Look at one device, or have running instances restore it.",
    ),
    "log-level": ("processor.cli.log_level:log_level", "Change what running instances log."),
    "dump": (
        "processor.cli.dump:dump",
        "Have each running instance write a dump as after a crash, and go on.",
    ),
    "dlq": (
        "processor.cli.dlq:dlq",
        "Look at dead letters, and replay, drop or export them.",
    ),
    "panic": ("processor.cli.panic:panic", "Show what a crash of the service left behind."),
    "schema": (
        "processor.cli.schema:schema",
        "Compare the table with the contract, or with another database's.",
    ),
    "config": ("processor.cli.config:config", "Show the settings that are in effect."),
    "healthcheck": (
        "processor.cli.healthcheck:healthcheck",
        "Ask the service on this machine whether it is alive.",
    ),
}
"""Where each command is, and what `processor --help` says of it."""

_EPILOG = """\
\b
Examples:
  REDIS_URL=redis://127.0.0.1 POSTGRES_URL=postgres://processor@127.0.0.1/telemetry processor run
  REDIS_URL=redis://127.0.0.1 processor publish drive.hex
  processor publish --dry-run drive.hex
  processor panic show processor-panic-processor-1-20260501T093000000000Z.json
  eval "$(_PROCESSOR_COMPLETE=bash_source processor)"  # completion here; also zsh_source

Each command explains itself: processor run --help. Settings come from the environment."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (contract sections 8 and 10); help and version give 0, misuse 2."""
    given = sys.argv[1:] if argv is None else list(argv)
    if given[:1] == ["run"]:
        # Loading takes a second on a busy machine, and a stop request may come in it.
        stop_signals.hold()
    # Imported late, when stop requests are held: click is a good part of the loading.
    from telemetry.chassis.cli import Program, run_program  # noqa: PLC0415

    program = Program(
        "processor",
        COMMANDS,
        help="Writes Teltonika positions from a Redis Stream into PostgreSQL, exactly once.",
        epilog=_EPILOG,
    )
    return run_program(program, given)


def enter() -> NoReturn:
    """The installed command, and `python -m processor`: run one command and end the process with its exit code."""
    try:
        code = main()
    except KeyboardInterrupt:
        # While a command was being loaded; later the door turns it into this code.
        sys.exit(130)
    if sys.argv[1:2] == ["run"]:
        _end_at_once(code)
    sys.exit(code)


def _end_at_once(code: int) -> NoReturn:
    """End without the interpreter's own clean-up, which would be part of a stop that is bounded in time.

    The service has closed what it had open, and has written its last line. Freeing its memory object by object
    and unloading its modules takes 100 ms of processor time, and several times that on a busy machine.
    """
    for stream in (sys.stdout, sys.stderr):
        # There is nothing to flush in one that is closed or missing.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(code)
