"""Leaving a dump: where it goes when it cannot go there, within what time, and never an error."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from telemetry.chassis.crash import dumping
from telemetry.chassis.crash.black_box import BlackBox
from telemetry.chassis.crash.dumping import DUMP_BUDGET_S, leave_dump
from telemetry.chassis.crash.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.config import Config

# What a busy machine may add to a bound.
SLACK_S = 1.0


@pytest.fixture
def fallback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "tmp"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What a hanging disk waits for: the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def test_a_dump_goes_to_its_directory(config: Config, dump_dir: Path, fallback: Path) -> None:
    left = leave_dump(KeyError("k"), BlackBox(), config)
    (dump,) = dump_dir.iterdir()
    assert (left.path, left.failure) == (str(dump), None)
    assert list(fallback.iterdir()) == []


def test_a_crash_loop_leaves_only_so_many(config: Config, dump_dir: Path) -> None:
    paths = [leave_dump(KeyError("k"), BlackBox(), config).path for _ in range(12)]
    assert sorted(map(str, dump_dir.iterdir())) == paths[2:]


def test_a_missing_directory_is_not_made_and_the_dump_goes_to_the_temporary_one(
    config: Config, dump_dir: Path, fallback: Path
) -> None:
    dump_dir.rmdir()
    left = leave_dump(KeyError("k"), BlackBox(), config)
    (dump,) = fallback.iterdir()
    assert left.path == str(dump)
    assert left.failure == f"{dump_dir}: No such file or directory"
    assert not dump_dir.exists()


def test_without_any_directory_the_reasons_are_told(
    config: Config, dump_dir: Path, fallback: Path
) -> None:
    dump_dir.rmdir()
    dump_dir.touch()
    fallback.rmdir()
    left = leave_dump(KeyError("k"), BlackBox(), config)
    assert left.path is None
    assert left.failure == (
        f"{dump_dir}: Not a directory; temporary directory: No such file or directory"
    )


def test_a_disk_that_hangs_is_left_behind_and_the_next_one_is_tried(
    config: Config,
    dump_dir: Path,
    fallback: Path,
    released: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def write(directory: Path, name: str, data: bytes) -> Path:
        if directory == dump_dir:
            released.wait()
        return write_whole(directory, name, data)

    monkeypatch.setattr(dumping, "write_whole", write)
    started = time.monotonic()
    left = leave_dump(KeyError("k"), BlackBox(), config)
    assert time.monotonic() - started < DUMP_BUDGET_S + SLACK_S
    assert left.path is not None
    assert Path(left.path).parent == fallback
    assert left.failure is not None
    assert "took longer than" in left.failure


def test_disks_that_all_hang_cost_the_budget_and_no_more(
    config: Config, released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_: object) -> NoReturn:
        released.wait()
        raise OSError("late")

    monkeypatch.setattr(dumping, "write_whole", hang)
    started = time.monotonic()
    left = leave_dump(KeyError("k"), BlackBox(), config)
    assert time.monotonic() - started < DUMP_BUDGET_S + SLACK_S
    assert left.path is None
    assert left.failure is not None
    assert left.failure.count("took longer than") == 2


class Broken(BaseException):
    """No Exception."""


@pytest.mark.parametrize("step", ["document", "write_whole"])
def test_whatever_goes_wrong_is_a_reason_and_no_error(
    config: Config, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def broken(*_: object) -> NoReturn:
        raise Broken("no")

    monkeypatch.setattr(dumping, step, broken)
    left = leave_dump(KeyError("k"), BlackBox(), config)
    assert left.path is None
    assert "Broken: no" in str(left.failure)


def test_a_process_that_can_start_no_thread_says_so(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: Any) -> NoReturn:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    left = leave_dump(KeyError("k"), BlackBox(), config)
    assert left.path is None
    assert "can't start new thread" in str(left.failure)
