"""Dumps as files: whole or not there, private, and only so many."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

import pytest

from telemetry.chassis.crash.files import DUMPS_MAX, file_name, remove_old, write_whole

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 5, 1, 12, 0, 0, 42, UTC)


def names(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir())


def test_a_name_holds_the_instance_and_the_time() -> None:
    assert file_name("a/b c", NOON) == "processor-panic-a_b_c-20260501T120000000042Z.json"
    assert len(file_name("x" * 512, NOON)) < 255


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
    others = {file_name("b", NOON), file_name("a-b", NOON), "notes.txt", "processor-panic-a-.json"}
    dumps = [file_name("a", NOON + timedelta(seconds=n)) for n in range(DUMPS_MAX + 3)]
    for name in [*others, *dumps, f".{dumps[0]}.tmp"]:
        (tmp_path / name).touch()
    remove_old(tmp_path, "a")
    assert names(tmp_path) == sorted([*others, *dumps[3:]])


def test_a_directory_that_cannot_be_listed_is_no_error(tmp_path: Path) -> None:
    remove_old(tmp_path / "missing", "a")
