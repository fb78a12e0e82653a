"""`processor run`: the service itself."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from processor.cli import COMMANDS
from processor.config import load_config
from processor.journal import SERVICE
from telemetry.chassis.errors import ConfigError
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.logs import configure

if TYPE_CHECKING:
    from processor.cli import Subparsers

DESCRIPTION = """\
Reads positions from the consumer group of a Redis Stream and writes them into the
table `positions`, until SIGTERM or SIGINT. REDIS_URL and POSTGRES_URL are required.
"""

EPILOG = """\
exit codes:
  0   stopped, everything read was decided
  1   uncaught exception, or the backstop SHUTDOWN_TIMEOUT_MS
  3   stopped undecided: DRAIN_BUDGET_MS ran out, or a second signal came; the rest stays pending
  4   Redis or PostgreSQL unreachable at start-up, or credentials refused
  5   the schema is missing or not what it should be, or a privilege is missing
  78  bad configuration, or a listening port in use

example:
  REDIS_URL=redis://127.0.0.1 POSTGRES_URL=postgres://processor@127.0.0.1/telemetry processor run
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the parser of `run`, which takes no arguments of its own."""
    parser = subparsers.add_parser(
        "run",
        help=COMMANDS["run"],
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=run)


def run(_arguments: argparse.Namespace) -> int:
    """Run the service until it ends and return its exit code.

    A bad environment is told on standard error, one variable a line: how the log should look is part of
    what could not be read. What shows only later, a port in use, is told in the log.
    """
    try:
        config = load_config(os.environ)
    except ConfigError as error:
        sys.stderr.write(f"processor: {error}\n")
        return ExitCode.BAD_CONFIGURATION
    log = configure(
        service=SERVICE,
        level=config.log_level,
        form=config.log_format,
        instance_id=config.instance_id,
    )
    # Imported late: a bad environment is told without waiting for the servers' clients to load.
    from processor.service.process import run_service  # noqa: PLC0415

    try:
        return run_service(config)
    except ConfigError as error:
        log.fatal(f"bad configuration: {error}")
        return ExitCode.BAD_CONFIGURATION
