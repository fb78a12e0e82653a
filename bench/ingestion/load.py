"""The load generator: builds it, starts it, and has it go from one part to the next."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import BenchError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

CHECKOUT = Path(__file__).parents[2]
RECORDING = CHECKOUT / "tests/captures/drive-codec8.hex"
PROGRAM = CHECKOUT / "target/release/load"
BUILD = ("cargo", "build", "--quiet", "--release", "--locked", "--package", "load")
# What a part takes beyond its own length: 5,000 logins of a slow peer, and the last answers.
PART_BOUND_S = 60.0
END_BOUND_S = 10.0
READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Tally:
    """What one part's devices were answered, how fast, and what went wrong."""

    answered: int
    """Frames; of a part of logins, logins."""
    records: int
    """In the answered frames."""
    seconds: float
    """From the part's beginning to the last answer."""
    p50_ms: float
    p99_ms: float
    max_ms: float
    wrong: int
    """Answers with another number than the frame's records."""
    unanswered: int
    """Frames that were sent and not answered."""
    closed: int
    """Connections that the server closed, and was not to close."""

    def check(self, what: str) -> None:
        """Raise BenchError unless each frame was answered, with its number of records."""
        if self.wrong or self.unanswered or self.closed or not self.answered:
            raise BenchError(f"{what}: nothing to compare: {self}")


def build_load() -> None:
    """Compile it. Raises BenchError."""
    try:
        subprocess.run(BUILD, cwd=CHECKOUT, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError(f"the load generator cannot be built: {error}") from error


class Load:
    """A running generator. It ends when the block ends, or by itself when this process does."""

    def __init__(self, arguments: Sequence[str], *, port: int, length_s: float) -> None:
        """`length_s`: of its longest part."""
        self._bound_s = length_s + PART_BOUND_S
        self._unread = b""
        mode, *options = arguments
        self._process = subprocess.Popen(
            [PROGRAM, mode, f"127.0.0.1:{port}", RECORDING, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._process.kill()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(END_BOUND_S)

    def go_on(self) -> None:
        """Begin the next part, or end behind the last."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")

    def part(self, name: str) -> Tally:
        """The figures of this part, as soon as it is over. Devices stay connected. Raises BenchError."""
        line = json.loads(self._line())
        if line["part"] != name:
            raise BenchError(f"the load's part {line['part']!r} came instead of {name!r}")
        return Tally(**line["tally"])

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        deadline = time.monotonic() + self._bound_s
        while b"\n" not in self._unread:
            left_s = deadline - time.monotonic()
            ready, _, _ = select.select([self._process.stdout], [], [], max(left_s, 0.0))
            if not ready:
                raise BenchError(f"the load's part was not over in {self._bound_s:.0f} s")
            data = os.read(self._process.stdout.fileno(), READ_BYTES)
            if not data:
                raise BenchError("the load has ended early")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line
