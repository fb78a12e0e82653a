"""The way into a service's program: stop requests are held back first, and a service ends without a clean-up.

It stands apart from the command line, whose loading takes a second on a busy machine.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from telemetry.chassis import stop_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def run_command(  # noqa: PLR0913  # what a program is
    name: str,
    commands: Mapping[str, tuple[str, str]],
    argv: Sequence[str] | None,
    *,
    added_in: str,
    about: str,
    epilog: str,
) -> int:
    """Run one command of the program `name` and return its exit code (contract sections 8 and 10).

    Help and version give 0, misuse 2. `commands` and `added_in` as Program takes them; `about` and `epilog` are for
    its help.
    """
    given = sys.argv[1:] if argv is None else list(argv)
    if given[:1] == ["run"]:
        # Loading takes a second on a busy machine, and a stop request may come in it.
        stop_signals.hold()
    # Imported late, when stop requests are held: click is a good part of the loading.
    from telemetry.chassis.cli import Program, run_program  # noqa: PLC0415

    program = Program(name, commands, added_in=added_in, help=about, epilog=epilog)
    return run_program(program, given)


def enter_program(main: Callable[[], int]) -> NoReturn:
    """The installed command, and `python -m`: run one command and end the process with its exit code."""
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
