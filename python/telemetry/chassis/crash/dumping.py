"""Leaves the dump of a crash on disk within a bounded time, or says why there is none. Never raises."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from telemetry.chassis.crash.files import file_name, remove_old, write_whole
from telemetry.chassis.crash.report import document

if TYPE_CHECKING:
    from processor.config import Config
    from telemetry.chassis.crash.black_box import BlackBox

T = TypeVar("T")

# A crashed service is to be restarted, not to wait for a disk.
DUMP_BUDGET_S = 2.0


@dataclass(frozen=True, slots=True)
class DumpOutcome:
    """What has become of a dump."""

    path: str | None
    failure: str | None
    """Why there is none, or none where it was to be: a sentence for each directory."""


def leave_dump(error: BaseException, box: BlackBox, config: Config) -> DumpOutcome:
    """Write the dump to PANIC_DUMP_DIR; if that cannot be, to the directory for temporary files.

    A missing directory is not made: it is a volume that is not mounted, as a rule.
    """
    deadline = time.monotonic() + DUMP_BUDGET_S
    made = _within(DUMP_BUDGET_S / 2, lambda: document(error, box, config))
    data = made.value
    if data is None:
        return DumpOutcome(None, f"the dump could not be put together: {made.failure}")
    name = file_name(config.instance_id, datetime.now(UTC))

    def write_to(directory: Path) -> str:
        path = write_whole(directory, name, data)
        remove_old(directory, config.instance_id)
        return str(path)

    wanted = Path(config.panic_dump_dir)
    # The half of what is left, so that the second directory has a chance when the first one hangs.
    first = _within((deadline - time.monotonic()) / 2, lambda: write_to(wanted))
    if first.value is not None:
        return DumpOutcome(first.value, None)
    # Looking for that directory touches disks as well.
    second = _within(deadline - time.monotonic(), lambda: write_to(Path(tempfile.gettempdir())))
    failures = [f"{wanted}: {first.failure}"]
    if second.value is None:
        failures.append(f"temporary directory: {second.failure}")
    return DumpOutcome(second.value, "; ".join(failures))


@dataclass(slots=True)
class _Outcome(Generic[T]):
    """What has become of some work: a value, or the reason why there is none."""

    value: T | None = None
    failure: str | None = None


def _within(seconds: float, work: Callable[[], T]) -> _Outcome[T]:
    """Do the work in a thread of its own, and go on without it when it takes longer.

    No signal and no alarm ends a system call on a disk that hangs; only another thread can go on.
    The one that hangs is a daemon, for which the interpreter's end does not wait.
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
    except (
        RuntimeError
    ) as fault:  # No thread can be started: a limit is reached, or memory is short.
        return _Outcome(failure=str(fault))
    thread.join(seconds)
    return outcome
