"""Dumps on disk: whole or not there, private, bounded in number and time, and never an error."""

from __future__ import annotations

import os
import stat
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from telemetry.chassis.crash import files
from telemetry.chassis.crash.files import (
    DUMP_BUDGET_S,
    DUMPS_MAX,
    file_name,
    file_prefix,
    leave_dump,
    remove_old,
    write_whole,
)
from telemetry.chassis.crash.sections import BlackBox

if TYPE_CHECKING:
    from telemetry.chassis.crash.document import DumpOptions

NOON = datetime(2026, 5, 1, 12, 0, 0, 42, UTC)
# What a busy machine may add to a bound.
SLACK_S = 1.0


def names(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir())


def dump(instance_id: str, time: datetime = NOON) -> str:
    return file_name(file_prefix("processor", instance_id), time)


def test_a_name_holds_the_instance_and_the_time() -> None:
    assert dump("a/b c") == "processor-panic-a_b_c-20260501T120000000042Z.json"
    assert len(dump("x" * 512)) < 255


def test_a_dump_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = write_whole(tmp_path, "d.json", b"{}")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b"{}"


def test_the_final_name_is_there_only_when_the_content_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    sync = os.fsync

    def fsync(fd: int) -> None:
        seen.append(names(tmp_path))
        sync(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(tmp_path, "d.json", b"x" * 100_000)
    assert seen == [[".d.json.tmp"], ["d.json"]]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path, "d.json", b"{}")
    assert names(tmp_path) == []


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / ".d.json.tmp").symlink_to(victim)
    with pytest.raises(FileExistsError):
        write_whole(tmp_path, "d.json", b"{}")
    assert victim.read_bytes() == b"precious"


def test_the_newest_dumps_of_the_instance_are_kept_and_nothing_else_is_touched(
    tmp_path: Path,
) -> None:
    others = {dump("b"), dump("a-b"), "notes.txt", "processor-panic-a-.json"}
    dumps = [dump("a", NOON + timedelta(seconds=n)) for n in range(DUMPS_MAX + 3)]
    for name in [*others, *dumps, f".{dumps[0]}.tmp"]:
        (tmp_path / name).touch()
    remove_old(tmp_path, file_prefix("processor", "a"))
    assert names(tmp_path) == sorted([*others, *dumps[3:]])


def test_a_directory_that_cannot_be_listed_is_no_error(tmp_path: Path) -> None:
    remove_old(tmp_path / "missing", "processor-panic-a-")


@pytest.fixture
def fallback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "tmp"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory


def test_a_dump_goes_to_its_directory(options: DumpOptions, dump_dir: Path, fallback: Path) -> None:
    left = leave_dump(KeyError("k"), BlackBox(), options)
    (dump,) = dump_dir.iterdir()
    assert (left.path, left.failure) == (str(dump), None)
    assert list(fallback.iterdir()) == []


def test_a_crash_loop_leaves_only_so_many(options: DumpOptions, dump_dir: Path) -> None:
    paths = [leave_dump(KeyError("k"), BlackBox(), options).path for _ in range(12)]
    assert sorted(map(str, dump_dir.iterdir())) == paths[2:]


def test_a_missing_directory_is_not_made_and_the_dump_goes_to_the_temporary_one(
    options: DumpOptions, dump_dir: Path, fallback: Path
) -> None:
    dump_dir.rmdir()
    left = leave_dump(KeyError("k"), BlackBox(), options)
    (dump,) = fallback.iterdir()
    assert left.path == str(dump)
    assert left.failure == f"{dump_dir}: No such file or directory"
    assert not dump_dir.exists()


def test_without_any_directory_the_reasons_are_given(
    options: DumpOptions, dump_dir: Path, fallback: Path
) -> None:
    dump_dir.rmdir()
    dump_dir.touch()
    fallback.rmdir()
    left = leave_dump(KeyError("k"), BlackBox(), options)
    assert left.path is None
    assert left.failure == (
        f"{dump_dir}: Not a directory; temporary directory: No such file or directory"
    )


def test_a_disk_that_hangs_is_left_behind_and_the_next_one_is_tried(
    options: DumpOptions,
    dump_dir: Path,
    fallback: Path,
    released: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def write(directory: Path, name: str, data: bytes) -> Path:
        if directory == dump_dir:
            released.wait()
        return write_whole(directory, name, data)

    monkeypatch.setattr(files, "write_whole", write)
    started = time.monotonic()
    left = leave_dump(KeyError("k"), BlackBox(), options)
    assert time.monotonic() - started < DUMP_BUDGET_S + SLACK_S
    assert left.path is not None
    assert Path(left.path).parent == fallback
    assert left.failure is not None
    assert "took longer than" in left.failure


def test_disks_that_all_hang_cost_the_budget_and_no_more(
    options: DumpOptions, released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_: object) -> NoReturn:
        released.wait()
        raise OSError("late")

    monkeypatch.setattr(files, "write_whole", hang)
    started = time.monotonic()
    left = leave_dump(KeyError("k"), BlackBox(), options)
    assert time.monotonic() - started < DUMP_BUDGET_S + SLACK_S
    assert left.path is None
    assert left.failure is not None
    assert left.failure.count("took longer than") == 2


class Broken(BaseException):
    """No Exception."""


@pytest.mark.parametrize("step", ["document", "write_whole"])
def test_whatever_goes_wrong_is_a_reason_and_no_error(
    options: DumpOptions, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def broken(*_: object) -> NoReturn:
        raise Broken("no")

    monkeypatch.setattr(files, step, broken)
    left = leave_dump(KeyError("k"), BlackBox(), options)
    assert left.path is None
    assert "Broken: no" in str(left.failure)


def test_a_process_that_can_start_no_thread_says_so(
    options: DumpOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: Any) -> NoReturn:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    left = leave_dump(KeyError("k"), BlackBox(), options)
    assert left.path is None
    assert "can't start new thread" in str(left.failure)
