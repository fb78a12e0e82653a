"""Keys as they are typed, from a terminal that is put back afterwards."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def typed_keys() -> Iterator[Callable[[float], str]]:
    """Yields what waits so many seconds for keys, and returns them; empty if none came.

    Standard input must be a terminal. Ctrl-C still interrupts.
    """
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield lambda wait_s: _read(terminal, wait_s)
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)


def _read(terminal: int, wait_s: float) -> str:
    ready, _, _ = select.select([terminal], [], [], wait_s)
    return os.read(terminal, 64).decode(errors="replace") if ready else ""
