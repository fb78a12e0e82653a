"""`panic`: what a crash left behind, for a person to read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from telemetry.chassis.cli import MISUSE, Failed, json_option, print_at_once
from telemetry.chassis.crash.showing import NotADump, as_text, read_dump

if TYPE_CHECKING:
    from telemetry.chassis.crash.showing import DumpPart

_EXIT_NOT_A_DUMP = 1

_EPILOG = """\
\b
Examples:
  {name} panic show {name}-panic-{name}-1-20260501T093000000000Z.json
{examples}
\b
Exit codes: 0 shown, 1 the file is no panic dump, or damaged, 2 wrong arguments or unreadable file"""


def panic_command(name: str, parts: tuple[DumpPart, ...], examples: str) -> click.Group:
    """The command `panic` of a service.

    `parts` put its dumps into words. `examples`: further lines of the help, with what its own sections are good for.
    """

    @click.group()
    def panic() -> None:
        """Show what a crash of the service left behind."""

    @panic.command(epilog=_EPILOG.format(name=name, examples=examples))
    @click.argument("file", type=click.Path(path_type=Path))
    @json_option
    def show(file: Path, *, as_json: bool) -> None:
        """Show a panic dump: what happened, where the tasks stood, what was in flight, and what to do.

        The service writes one into PANIC_DUMP_DIR before it ends with exit code 1; the log line `uncaught exception`
        names it as `panic_dump`. A dump holds no passwords, but entry and device ids. --json prints the file as it is.
        """
        try:
            dump = read_dump(file, name)
        except NotADump as fault:
            raise Failed(f"{file} {fault}", _EXIT_NOT_A_DUMP) from fault
        except OSError as fault:
            raise Failed(f"cannot read {file}: {fault.strerror}", MISUSE) from fault
        print_at_once(dump.text if as_json else as_text(dump.sections, parts))

    return panic
