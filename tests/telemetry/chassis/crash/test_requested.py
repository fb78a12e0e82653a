"""Dumps that are asked for: like those of a crash, and apart from them."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio
import trio.testing

from telemetry.chassis.crash import requested
from telemetry.chassis.crash.files import DUMPS_MAX, leave_dump
from telemetry.chassis.crash.requested import leave_requested_dump
from telemetry.chassis.crash.sections import BlackBox
from telemetry.chassis.crash.showing import was_requested

if TYPE_CHECKING:
    import threading

    import pytest

    from telemetry.chassis.crash.document import DumpOptions


def mode_and_dump(path: Path) -> tuple[int, dict[str, Any]]:
    return stat.S_IMODE(path.stat().st_mode), json.loads(path.read_text())


def names(directory: Path) -> set[str]:
    return {str(each) for each in directory.iterdir()}


async def test_it_shows_where_the_tasks_stand_and_is_for_its_owner_alone(
    options: DumpOptions, dump_dir: Path
) -> None:
    box = BlackBox()
    box.register(statistics=lambda: {"reads": 3})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        await trio.testing.wait_all_tasks_blocked()
        left = await leave_requested_dump(box, options)
        nursery.cancel_scope.cancel()
    assert left.failure is None
    path = Path(str(left.path))
    assert path.parent == dump_dir
    assert path.name.startswith(f"{options.service}-dump-")
    mode, dump = mode_and_dump(path)
    assert mode == 0o600
    assert dump["statistics"] == {"reads": 3}
    assert any("sleep_forever" in str(task["frames"]) for task in dump["tasks"])
    assert dump["failed_task"] is None
    assert was_requested(dump)


async def test_twelve_of_them_push_no_dump_of_a_crash_out(
    options: DumpOptions, dump_dir: Path
) -> None:
    crashes = {leave_dump(KeyError("k"), BlackBox(), options).path for _ in range(DUMPS_MAX)}
    asked = [(await leave_requested_dump(BlackBox(), options)).path for _ in range(12)]
    assert names(dump_dir) == {*crashes, *asked[2:]}


async def test_a_directory_that_is_away_is_a_reason(options: DumpOptions, dump_dir: Path) -> None:
    away = str(dump_dir / "away")
    left = await leave_requested_dump(BlackBox(), replace(options, directory=away))
    assert left.path is None
    assert left.failure == f"{away}: No such file or directory"


async def test_a_disk_that_hangs_holds_up_nothing(
    options: DumpOptions, released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requested, "write_whole", lambda *_: released.wait())
    with trio.move_on_after(0.05) as waiting:
        await leave_requested_dump(BlackBox(), options)
    assert waiting.cancelled_caught
