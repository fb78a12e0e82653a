"""The level of a running process' log: changed, and back in time."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from telemetry.chassis.logs.log import LEVELS, level_of, set_level
from telemetry.chassis.logs.switch import LevelSwitch

SERVICE = "switched"


class Noted:
    """A journal that keeps what is reported, and at which level it was."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, int | None, str]] = []

    def log_level_changed(self, *, level: str, for_s: int | None) -> None:
        self.changes.append((level, for_s, level_of(SERVICE)))


@pytest.fixture
def autojump_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


@pytest.fixture
def noted() -> Noted:
    return Noted()


@pytest.fixture
def switch(noted: Noted) -> LevelSwitch:
    set_level(SERVICE, "info")
    return LevelSwitch(SERVICE, noted)


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_can_be_set_and_read(level: str, switch: LevelSwitch) -> None:
    switch.change(level)
    assert switch.level == level


def test_a_change_is_reported_at_whichever_level_writes_more(
    switch: LevelSwitch, noted: Noted
) -> None:
    switch.change("debug")
    switch.change("error")
    assert noted.changes == [("debug", None, "debug"), ("error", None, "debug")]


async def test_it_goes_back_after_so_long(
    autojump_clock: MockClock, nursery: trio.Nursery, switch: LevelSwitch, noted: Noted
) -> None:
    nursery.start_soon(switch.run)
    switch.change("debug", 60)
    await trio.sleep(59)
    assert switch.level == "debug"
    await trio.sleep(2)
    assert switch.level == "info"
    assert noted.changes[-1][:2] == ("info", None)
    await trio.sleep(3_600)
    assert len(noted.changes) == 2


async def test_it_goes_back_to_the_last_level_that_has_no_end(
    autojump_clock: MockClock, nursery: trio.Nursery, switch: LevelSwitch
) -> None:
    nursery.start_soon(switch.run)
    switch.change("warn")
    switch.change("debug", 60)
    await trio.sleep(30)
    switch.change("trace", 60)
    await trio.sleep(59)
    assert switch.level == "trace"
    await trio.sleep(2)
    assert switch.level == "warn"


async def test_a_change_for_good_has_no_end(
    autojump_clock: MockClock, nursery: trio.Nursery, switch: LevelSwitch
) -> None:
    nursery.start_soon(switch.run)
    switch.change("debug", 60)
    switch.change("error")
    await trio.sleep(3_600)
    assert switch.level == "error"
