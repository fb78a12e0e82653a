"""The command line: one module for each command, loaded only when that command is asked for.

Commands of programs that stand above the service, `drill`, are found by the entry point group `processor.commands`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from telemetry.chassis.entrance import enter_program, run_command

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
        "processor.cli.running:instances",
        "Show which instances are running, and what they are doing.",
    ),
    "device": (
        "processor.cli.device:device",
        "Look at one device, or have running instances restore it.",
    ),
    "log-level": ("processor.cli.running:log_level", "Change what running instances log."),
    "dump": (
        "processor.cli.running:dump",
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
    return run_command(
        "processor",
        COMMANDS,
        argv,
        added_in="processor.commands",
        about="Writes Teltonika positions from a Redis Stream into PostgreSQL, exactly once.",
        epilog=_EPILOG,
    )


def enter() -> NoReturn:
    """The installed command, and `python -m processor`: run one command and end the process with its exit code."""
    enter_program(main)
