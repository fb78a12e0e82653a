"""A private directory, and processes in it, that do not outlive the process that created them."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dev.servers import guard
from dev.servers.account import SELF, Account
from dev.servers.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# The guard may need its bound for each of the processes, and then has 50 MB of files to remove.
GUARD_BOUND_S = 30.0


@dataclass(frozen=True)
class GuardedDirectory:
    """A directory of mode 0711 that its guard removes. Made by `guarded_directory`."""

    path: Path
    _guard: subprocess.Popen[bytes] = field(repr=False)

    def spawn(
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        account: Account = SELF,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a process in its own session, known to the guard; its output is appended to `log`."""
        assert self._guard.stdin is not None
        with log.open("ab") as output, interrupts_deferred():
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.path,
                env=env,
                start_new_session=True,
                **account.popen_options(),
            )
            self._guard.stdin.write(f"{process.pid}\n".encode())
            self._guard.stdin.flush()
        return process


@contextlib.contextmanager
def guarded_directory(
    name: str, *, last_signal: signal.Signals, account: Account = SELF
) -> Iterator[GuardedDirectory]:
    """Make a directory `processor-<name>-...` that `account` can reach; remove it at the end.

    `last_signal` goes to processes that still run when the block ends or the launcher has died.
    Raises ServerError if no temporary directory can be reached by `account`.
    """
    with contextlib.ExitStack() as stack:
        # A Ctrl-C that was held back is raised where this block ends: the guard is dismissed then, too.
        with interrupts_deferred():
            path = Path(tempfile.mkdtemp(prefix=f"processor-{name}-", dir=temp_root(account)))
            path.chmod(0o711)
            keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__, str(path), last_signal.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
            stack.callback(dismiss, keeper, path)
        yield GuardedDirectory(path, keeper)


def dismiss(keeper: subprocess.Popen[bytes], path: Path) -> None:
    """Have the guard clean up, and wait for it. If the guard was killed, clean up in its place."""
    assert keeper.stdin is not None
    with interrupts_deferred():
        with contextlib.suppress(BrokenPipeError):
            keeper.stdin.close()
        try:
            keeper.wait(GUARD_BOUND_S)
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()
        shutil.rmtree(path, ignore_errors=True)


def temp_root(account: Account) -> Path:
    """The first usual place for temporary files that `account` can reach: TMPDIR may be private."""
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108  # mkdtemp in it
    for candidate in candidates:
        if account.can_reach(candidate):
            return candidate
    raise ServerError(
        f"the user {account.name!r} can reach none of {', '.join(map(str, candidates))};"
        f" make one of them searchable for all users (chmod a+rx)"
    )


@contextlib.contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Hold Ctrl-C back while a process is started or a directory removed, and raise it right after.

    Children are not affected: exec resets a handler, unlike an ignored or blocked signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda signum, _frame: interrupted.append(signum))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if interrupted:
            signal.raise_signal(signal.SIGINT)
