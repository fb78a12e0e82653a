"""Run, the service under test as a running process: its log as it comes, signals to it, and its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections import deque
from typing import TYPE_CHECKING, Any

import trio

from drills.observed import LastLine, last_line
from telemetry.chassis.errors import TelemetryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drills.launch import Launcher

_TAIL_LINES_MAX = 20
_LINE_BYTES_MAX = 1 << 20
# A child of the service could hold its output open for ever.
_LAST_OUTPUT_S_MAX = 5.0


class DrillFailed(TelemetryError):
    """The service under test did not start, or could not be signalled; the message has the end of its log."""


class RunningService:
    """One life. `run` it in a nursery; a cancellation kills the service first."""

    def __init__(self, launcher: Launcher, name: str, environment: Mapping[str, str]) -> None:
        self._launcher = launcher
        self._name = name
        self._environment = environment
        self._process: trio.Process | None = None
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES_MAX)
        self.ready = trio.Event()
        """Set by the line that says so."""
        self.ended = trio.Event()
        """Set when the process has ended and all of its output was read."""
        self.ended_at = 0.0
        """When it ended, on Trio's clock."""
        self.inserted = 0
        """Rows inserted, by its own log lines."""
        self.last_line: LastLine | None = None

    @property
    def exit_code(self) -> int:
        """Once it has ended; negative for a signal."""
        assert self._process is not None
        assert self._process.returncode is not None
        return self._process.returncode

    @property
    def tail(self) -> str:
        """The end of its log and of its standard error."""
        return "\n".join(self._tail)

    async def run(self) -> None:
        """Start it and follow it to its end. Raises DrillFailed when the command does not exist."""
        argv = self._launcher.start(self._name, self._environment)
        try:
            process = await trio.lowlevel.open_process(
                argv,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the drill
            )
        except OSError as error:
            raise DrillFailed(f"cannot start {argv[0]}: {error.strerror}") from error
        self._process = process
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async with trio.open_nursery() as readers:
                readers.start_soon(_follow, process.stdout, self._take_log_line)
                readers.start_soon(_follow, process.stderr, self._tail.append)
                await process.wait()
                self.ended_at = trio.current_time()
                readers.cancel_scope.deadline = self.ended_at + _LAST_OUTPUT_S_MAX
        finally:
            with trio.CancelScope(shield=True):
                await self._ensure_end(process)
        self.ended.set()

    async def send(self, number: signal.Signals) -> None:
        """Send it a signal. Raises DrillFailed when the engine refuses."""
        assert self._process is not None
        argv = self._launcher.signal(self._name, number)
        if not argv:
            self._process.send_signal(number)
            return
        done = await trio.run_process(argv, capture_stdout=True, capture_stderr=True, check=False)
        if done.returncode and self._process.poll() is None:
            raise DrillFailed(
                f"`{' '.join(argv)}` failed: {done.stderr.decode(errors='replace').strip()}"
            )

    async def _ensure_end(self, process: trio.Process) -> None:
        if process.poll() is None:
            with contextlib.suppress(DrillFailed):
                await self.send(signal.SIGKILL)
            # The engine's client ends with its container, and in any case now.
            with trio.move_on_after(_LAST_OUTPUT_S_MAX):
                await process.wait()
            process.kill()
            await process.wait()

    def _take_log_line(self, text: str) -> None:
        self._tail.append(text)
        try:
            line: Any = json.loads(text)
        except ValueError:
            return
        if not isinstance(line, dict):
            return
        message = str(line.get("msg", ""))
        if message.startswith(self._launcher.ready_line):
            self.ready.set()
        elif message.startswith("batch written"):
            self.inserted += int(line.get("inserted", 0))
        else:
            self.last_line = last_line(line) or self.last_line


async def _follow(stream: trio.abc.ReceiveStream, take: Callable[[str], None]) -> None:
    """Hand on whole lines until the end."""
    rest = b""
    async for data in stream:
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            take(line.decode(errors="replace"))
        if len(rest) > _LINE_BYTES_MAX:
            rest = b""  # No line of the service is this long: memory stays bounded.
    if rest:
        take(rest.decode(errors="replace"))
