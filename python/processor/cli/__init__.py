"""The command line: one module a subcommand, loaded only when it is the one that was asked for."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeAlias, cast

from telemetry.chassis import stop_signals

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "run": "write the stream's positions into the table until told to stop",
    "publish": "publish captured Teltonika frames as tcp-ingestion would",
    "drill": "stop, kill and cut off the service under load, and check that nothing is lost",
    "panic": "show what a crash of the service left behind",
}
"""What `processor --help` says of each subcommand; its module is `processor.cli.<name>`."""

EXAMPLES = """\
examples:
  REDIS_URL=redis://127.0.0.1 POSTGRES_URL=postgres://processor@127.0.0.1/telemetry processor run
  REDIS_URL=redis://127.0.0.1 processor publish drive.hex
  processor publish --dry-run drive.hex
  processor panic show processor-panic-processor-1-20260501T093000000000Z.json

Each command explains itself: processor run --help. Settings come from the environment.
"""


Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  # has no other name
"""What a subcommand adds its parser to."""


class Command(Protocol):
    """A subcommand's module."""

    def add_parser(self, subparsers: Subparsers) -> None:
        """Add the command's parser, with `command` set to the function that takes its arguments."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (contract section 8).

    Misuse ends in SystemExit with code 2, help and version in SystemExit with code 0.
    """
    given = sys.argv[1:] if argv is None else list(argv)
    if given[:1] == ["run"]:
        # Loading takes a second on a busy machine, and a stop request may come in it.
        stop_signals.hold()
    arguments = _parser(asked_for=given[0] if given else None).parse_args(given)
    return cast("int", arguments.command(arguments))


def enter() -> NoReturn:
    """The installed command, and `python -m processor`: run one command and end the process with its code."""
    code = main()
    if sys.argv[1:2] == ["run"]:
        _end_at_once(code)
    sys.exit(code)


def _end_at_once(code: int) -> NoReturn:
    """End without the interpreter's wind-up, which is part of a stop that is bounded in time.

    The service has closed what it had open, and has said its last word. To free its memory object by
    object and to unload its modules takes 100 ms of a processor's time, and several times as long where others
    want that processor, too.
    """
    for stream in (sys.stdout, sys.stderr):
        # A closed or missing one has nothing to say.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(code)


def _parser(asked_for: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="processor",
        description="Writes Teltonika positions from a Redis Stream into PostgreSQL, exactly once.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        if name == asked_for:
            command = cast(
                "Command",
                importlib.import_module(
                    "drills.cli" if name == "drill" else f"processor.cli.{name}"
                ),
            )
            command.add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary)
    return parser


class _Version(argparse.Action):
    """Argparse's own version action wants the text beforehand, and that costs as much as all the rest."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # noqa: PLC0415

        sys.stdout.write(f"processor {version('processor')}\n")
        parser.exit()
