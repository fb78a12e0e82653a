"""The command line: one module for each command, loaded only when that command is asked for.

Commands of programs that stand above the service, `drill`, are found by the entry point group `ingestion.commands`.
"""

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
    "devices": (
        "ingestion.cli.devices:devices",
        "Show which devices are connected, and to which instance.",
    ),
    "watch": ("ingestion.cli.watch:watch", "Watch one device's conversation, live."),
    "simulate": (
        "ingestion.cli.simulate:simulate",
        "Play devices that keep the protocol's rules, against any server.",
    ),
    "instances": (
        "ingestion.cli.running:instances",
        "Show which instances are running, and what they are doing.",
    ),
    "log-level": ("ingestion.cli.running:log_level", "Change what running instances log."),
    "dump": (
        "ingestion.cli.running:dump",
        "Have each running instance write a dump as after a crash, and go on.",
    ),
    "panic": ("ingestion.cli.panic:panic", "Show what a crash of the service left behind."),
    "config": ("ingestion.cli.config:config", "Show the settings that are in effect."),
    "healthcheck": (
        "ingestion.cli.healthcheck:healthcheck",
        "Ask the service on this machine whether it is alive.",
    ),
}
"""Where each command is, and what `tcp-ingestion --help` says of it."""

_EPILOG = """\
\b
Examples:
  REDIS_URL=redis://127.0.0.1 tcp-ingestion run
  REDIS_URL=redis://127.0.0.1 tcp-ingestion devices
  REDIS_URL=redis://127.0.0.1 tcp-ingestion watch 356307042441013
  eval "$(_TCP_INGESTION_COMPLETE=bash_source tcp-ingestion)"  # completion here; also zsh_source

Each command explains itself: tcp-ingestion run --help. Settings come from the environment."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (contract sections 8 and 10); help and version give 0, misuse 2."""
    return run_command(
        "tcp-ingestion",
        COMMANDS,
        argv,
        added_in="ingestion.commands",
        about="Takes positions from Teltonika devices and publishes them to a Redis Stream.",
        epilog=_EPILOG,
    )


def enter() -> NoReturn:
    """The installed command, and `python -m ingestion`: run one command and end the process with its exit code."""
    enter_program(main)
