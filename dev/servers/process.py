"""A server process that can be stopped, killed, frozen, thawed and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from dev.servers.account import SELF, Account
from dev.servers.errors import ServerError, log_tail
from dev.servers.guard import end_process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from dev.servers.guarded import GuardedDirectory

START_BOUND_S = 60.0
STOP_BOUND_S = 15.0
# Without a notify socket neither server announces that it is ready: ask it this often.
READY_PROBE_S = 0.01


@dataclass
class ServerProcess:
    """One server, running or not. Its arguments stay the same over restarts: port and data do, too."""

    name: str
    argv: Sequence[str | Path]
    directory: GuardedDirectory = field(repr=False)
    log: Path
    stop_signal: signal.Signals
    answers: Callable[[], bool] = field(repr=False)
    account: Account = SELF
    env: Mapping[str, str] | None = field(default=None, repr=False)
    before_end: Callable[[], None] | None = field(default=None, repr=False)
    """Called before the server is stopped or killed, unless it is frozen: what it forgets can be asked then."""
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _frozen: bool = field(default=False, init=False, repr=False)

    @property
    def pid(self) -> int:
        """The id of the running process. Raises ServerError when it is stopped."""
        if self._process is None:
            raise ServerError(f"{self.name} is stopped: start it again first")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there, frozen or not."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and wait until the server answers. Raises ServerError with the log's tail if it does not."""
        self._frozen = False
        self._process = self.directory.spawn(
            self.argv, log=self.log, account=self.account, env=self.env
        )
        deadline = time.monotonic() + START_BOUND_S
        while not self.answers():
            if self._process.poll() is not None:
                raise self._failure(f"ended with status {self._process.returncode} while starting")
            if time.monotonic() > deadline:
                raise self._failure(f"did not answer within {START_BOUND_S:.0f} s")
            time.sleep(READY_PROBE_S)

    def stop(self) -> None:
        """Stop the server in its orderly way, with SIGKILL after `STOP_BOUND_S`. Idempotent."""
        if self._process is None:
            return
        self.thaw()
        self._prepare_end()
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(STOP_BOUND_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def wait(self) -> int:
        """Wait until the process ends by itself; its exit status, negative for a signal."""
        assert self._process is not None
        return self._process.wait()

    def kill(self) -> None:
        """End the server and its children with SIGKILL; none is left when this returns."""
        if self._process is None:
            return
        self._prepare_end()
        self.freeze()
        for member in self._family():
            with contextlib.suppress(ProcessLookupError):
                end_process(os.pidfd_open(member.pid), signal.SIGKILL)
        self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """Stop the server's clock (SIGSTOP): connections stay open, nothing answers. Idempotent."""
        if self._process is None:
            return
        self._frozen = True
        # First the process itself: from then on it has no new children.
        self._process.send_signal(signal.SIGSTOP)
        for member in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                member.suspend()

    def thaw(self) -> None:
        """Let a frozen server go on. Idempotent."""
        self._frozen = False
        for member in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                member.resume()

    def restart(self) -> None:
        """Stop the server if it runs and start it on the same port with the same data."""
        self.stop()
        self.start()

    def restore(self) -> None:
        """Make the server run and answer again, whatever was done to it."""
        if not self.running:
            self._process = None
            self.start()
        self.thaw()

    def _prepare_end(self) -> None:
        if self.before_end is not None and self.running and not self._frozen:
            self.before_end()

    def _family(self) -> list[psutil.Process]:
        """The process and its descendants; none when it is not there."""
        if self._process is None:
            return []
        try:
            leader = psutil.Process(self._process.pid)
            return [leader, *leader.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _failure(self, what: str) -> ServerError:
        return ServerError(f"{self.name} {what}; the end of {self.log}:\n{log_tail(self.log)}")
