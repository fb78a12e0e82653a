"""Leaves the dump of a crash on disk within a bounded time, private and whole, and keeps only the newest ones."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from telemetry.chassis.crash.document import document

if TYPE_CHECKING:
    from telemetry.chassis.crash.document import DumpOptions
    from telemetry.chassis.crash.sections import BlackBox

T = TypeVar("T")

# A crashed service is to be restarted, not to wait for a disk.
DUMP_BUDGET_S = 2.0
# A crash loop must not fill the disk.
DUMPS_MAX = 10

_TIME = r"\d{8}T\d{12}Z"


@dataclass(frozen=True, slots=True)
class DumpOutcome:
    """Where a dump was written, and what failed."""

    path: str | None
    failure: str | None
    """Why no dump was written, or none in PANIC_DUMP_DIR: a sentence for each directory."""


def leave_dump(error: BaseException, box: BlackBox, options: DumpOptions) -> DumpOutcome:
    """Write the dump to PANIC_DUMP_DIR, or else to the directory for temporary files. Never raises.

    A missing directory is not made: usually it is a volume that is not mounted.
    """
    deadline = time.monotonic() + DUMP_BUDGET_S
    made = _within(DUMP_BUDGET_S / 2, lambda: document(error, box, options))
    data = made.value
    if data is None:
        return DumpOutcome(None, f"the dump could not be put together: {made.failure}")
    prefix = file_prefix(options.service, options.instance_id)
    name = file_name(prefix, datetime.now(UTC))

    def write_to(directory: Path) -> str:
        path = write_whole(directory, name, data)
        remove_old(directory, prefix)
        return str(path)

    wanted = Path(options.directory)
    # Half of the time left, so that the second directory has a chance when the first one hangs.
    first = _within((deadline - time.monotonic()) / 2, lambda: write_to(wanted))
    if first.value is not None:
        return DumpOutcome(first.value, None)
    # Looking for that directory touches disks as well.
    second = _within(deadline - time.monotonic(), lambda: write_to(Path(tempfile.gettempdir())))
    failures = [f"{wanted}: {first.failure}"]
    if second.value is None:
        failures.append(f"temporary directory: {second.failure}")
    return DumpOutcome(second.value, "; ".join(failures))


def file_prefix(service: str, instance_id: str, kind: str = "panic") -> str:
    """`<service>-<kind>-<instance>-`, without characters that have a meaning in paths, and short enough for a name."""
    instance = re.sub(r"[^A-Za-z0-9._-]", "_", instance_id)[:100]
    return f"{service}-{kind}-{instance}-"


def file_name(prefix: str, now: datetime) -> str:
    """`<prefix><UTC time, to the microsecond>.json`; sorts by time within an instance."""
    return f"{prefix}{now.astimezone(UTC).strftime('%Y%m%dT%H%M%S%fZ')}.json"


def write_whole(directory: Path, name: str, data: bytes) -> Path:
    """Write and sync the file under a temporary name, and rename it when it is complete; its path.

    Raises OSError and leaves nothing behind. Takes as long as the disk takes.
    """
    path = directory.absolute() / name
    unfinished = path.with_name(f".{name}.tmp")
    # Exclusively: a link that somebody has put there is not followed.
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        unfinished.rename(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):
        # The file is there; not every file system lets its directory be synced.
        _sync_directory(path.parent)
    return path


def remove_old(directory: Path, prefix: str) -> None:
    """Keep the newest DUMPS_MAX dumps of the instance, and none that was cut off. Never raises."""
    name = rf"{re.escape(prefix)}{_TIME}\.json"
    with contextlib.suppress(OSError):
        names = sorted(each.name for each in directory.iterdir())
        whole = [each for each in names if re.fullmatch(name, each)]
        cut_off = [each for each in names if re.fullmatch(rf"\.{name}\.tmp", each)]
        for each in [*whole[:-DUMPS_MAX], *cut_off]:
            with contextlib.suppress(OSError):
                (directory / each).unlink()


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@dataclass(slots=True)
class _Outcome(Generic[T]):
    """The value of some work, or why it failed."""

    value: T | None = None
    failure: str | None = None


def _within(seconds: float, work: Callable[[], T]) -> _Outcome[T]:
    """Do the work in a thread, and go on without it when it takes longer.

    Neither a signal nor an alarm ends a system call on a disk that hangs; only another thread can go on.
    The thread that hangs is a daemon: the interpreter does not wait for it at the end.
    """
    outcome: _Outcome[T] = _Outcome(failure=f"took longer than {seconds:.1f} s")

    def run() -> None:
        try:
            value = work()
        except OSError as fault:
            outcome.failure = fault.strerror or str(fault)
        except BaseException as fault:  # noqa: BLE001  # a fault in dumping must not hide the crash
            outcome.failure = f"{type(fault).__name__}: {fault}"
        else:
            outcome.failure, outcome.value = None, value

    thread = threading.Thread(target=run, name="panic dump", daemon=True)
    try:
        thread.start()
    except RuntimeError as fault:  # A limit of threads is reached, or memory is short.
        return _Outcome(failure=str(fault))
    thread.join(seconds)
    return outcome
