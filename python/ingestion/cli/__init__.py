"""The command line: one module for each command, loaded only when that command is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from telemetry.chassis.entrance import enter_program, run_command

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "run": (
        "ingestion.cli.run:run",
        "Take positions from devices and publish them to the stream, until a stop request.",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    return run_command("tcp-ingestion", COMMANDS, argv, about="", epilog="")


def enter() -> NoReturn:
    """The installed command."""
    enter_program(main)
