"""Dumps as files: written whole or not at all, for their owner alone, and only so many of them."""

from __future__ import annotations

import contextlib
import os
import re
from datetime import UTC, datetime
from pathlib import Path

# A crash loop must not fill the disk; what matters is the first crash that one looks at, and the last ones.
DUMPS_MAX = 10

_TIME = r"\d{8}T\d{12}Z"


def file_name(instance_id: str, now: datetime) -> str:
    """`processor-panic-<instance>-<UTC time, to the microsecond>.json`; sorts by time within an instance."""
    time = now.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    return f"processor-panic-{_in_a_name(instance_id)}-{time}.json"


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


def remove_old(directory: Path, instance_id: str) -> None:
    """Keep the newest DUMPS_MAX dumps of the instance, and none that was cut off in the writing. Never raises."""
    name = rf"processor-panic-{re.escape(_in_a_name(instance_id))}-{_TIME}\.json"
    with contextlib.suppress(OSError):
        names = sorted(each.name for each in directory.iterdir())
        whole = [each for each in names if re.fullmatch(name, each)]
        cut_off = [each for each in names if re.fullmatch(rf"\.{name}\.tmp", each)]
        for each in [*whole[:-DUMPS_MAX], *cut_off]:
            with contextlib.suppress(OSError):
                (directory / each).unlink()


def _in_a_name(instance_id: str) -> str:
    """Without characters that have a meaning in paths, and short enough for a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", instance_id)[:100]


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
