"""A command in a terminal of the test's own: what it draws, keys, sizes, and what it leaves behind."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING, Any, Self

from tests.support.processes import PROCESSOR, WAIT_S_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

_STEERING = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_HOME = "\x1b[H"
LEAVE_SCREEN = "\x1b[?1049l"
SHOW_CURSOR = "\x1b[?25h"


class Terminal:
    """`processor` with these arguments in a terminal of 24 lines and 80 columns; ended with the block."""

    def __init__(self, environment: Mapping[str, str], *arguments: str) -> None:
        self._own, self._other = pty.openpty()
        self.resize(24, 80)
        self._before = termios.tcgetattr(self._other)
        self.output = ""
        self.process = subprocess.Popen(
            [PROCESSOR, *arguments],
            env={**environment, "PATH": os.defpath, "TERM": "xterm-256color"},
            stdin=self._other,
            stdout=self._other,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self._own)
        os.close(self._other)

    def resize(self, lines: int, columns: int) -> None:
        """Give it another size, as whoever drags its window does."""
        fcntl.ioctl(self._own, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._own, keys.encode())

    def until_shown(self, *words: str, columns: int = 80) -> list[str]:
        """The lines of the first whole screen with all these words that is so wide."""
        deadline = time.monotonic() + WAIT_S_MAX
        while time.monotonic() < deadline:
            for drawn in reversed(self.output.split(_HOME)[1:-1]):
                lines = _STEERING.sub("", drawn).split("\r\n")
                text = "\n".join(lines)
                if len(lines[0]) == columns and all(word in text for word in words):
                    return lines
            self._read(0.1)
        raise AssertionError(f"never shown: {words}\n{_STEERING.sub('', self.output)[-4_000:]}")

    def end(self) -> int:
        """Its exit code, once it has ended and everything that it wrote is read."""
        deadline = time.monotonic() + WAIT_S_MAX
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(0.1)
        while self._read(0.0):
            pass
        return self.process.wait(1.0)

    @property
    def is_as_before(self) -> bool:
        """Whether the screen, the cursor and the terminal's modes are put back."""
        modes: Any = termios.tcgetattr(self._other)
        left = self.output.rfind(LEAVE_SCREEN)
        return (
            modes == self._before
            and left > 0
            and SHOW_CURSOR in self.output
            and not _STEERING.sub("", self.output[left:]).strip()
        )

    def _read(self, wait_s: float) -> bool:
        ready, _, _ = select.select([self._own], [], [], wait_s)
        if ready:
            self.output += os.read(self._own, 65_536).decode(errors="replace")
        return bool(ready)
