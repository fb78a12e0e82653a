"""`processor panic`: what a crash left behind, for a person to read."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from processor.cli import COMMANDS
from processor.service.crash_sections import PARTS, SERVICE
from telemetry.chassis.crash.showing import NotADump, as_text, read_dump

if TYPE_CHECKING:
    from processor.cli import Subparsers

_EXIT_SHOWN, _EXIT_NOT_A_DUMP, _EXIT_MISUSE = 0, 1, 2

_DESCRIPTION = """\
Shows a panic dump: what happened, where the tasks stood, what was in flight, and what to do.
The service writes one into PANIC_DUMP_DIR before it ends with exit code 1; the log line
`uncaught exception` names it as `panic_dump`. A dump holds no passwords, but entry and device ids."""

_EPILOG = """\
examples:
  processor panic show /var/lib/processor/processor-panic-processor-1-20260501T093000000000Z.json
  processor panic show --json FILE | jq '.in_flight.oldest | keys'      ids of the entries in flight
  processor panic show --json FILE | jq -r '.tasks[].name'              every task that was alive

exit codes: 0 shown, 1 the file is no panic dump, or damaged, 2 wrong arguments or unreadable file"""


def add_parser(subparsers: Subparsers) -> None:
    """Adds the subcommand `panic`, whose only action is `show`."""
    parser = subparsers.add_parser("panic", help=COMMANDS["panic"], description=COMMANDS["panic"])
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    show = actions.add_parser(
        "show",
        help="show a dump",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    show.set_defaults(command=run)
    show.add_argument("file", type=Path, metavar="FILE", help="the dump")
    show.add_argument("--json", action="store_true", help="print it as it is")


def run(arguments: argparse.Namespace) -> int:
    """Shows the file of the command line; the exit code."""
    try:
        dump = read_dump(arguments.file, SERVICE)
    except NotADump as fault:
        return _fail(f"{arguments.file} {fault}", _EXIT_NOT_A_DUMP)
    except OSError as fault:
        return _fail(f"cannot read {arguments.file}: {fault.strerror}", _EXIT_MISUSE)
    try:
        sys.stdout.write(dump.text if arguments.json else as_text(dump.sections, PARTS))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough, as `head` does; so the interpreter's last flush succeeds.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _EXIT_SHOWN


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"processor panic: {message}\n")
    return code
