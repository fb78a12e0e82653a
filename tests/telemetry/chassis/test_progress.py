from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import MockClock

from telemetry.chassis import progress
from telemetry.chassis.lock import Lock
from telemetry.chassis.progress import ProgressTable, StalledTask, TaskProgress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LIMIT_S = 60.0


@pytest.fixture
def clock() -> MockClock:
    """Virtual time: hours of silence take none."""
    return MockClock(autojump_threshold=0)


@pytest.mark.parametrize(
    ("row", "stalled_s"),
    [
        (TaskProgress("t", has_work=True, stepped_at_s=90.0), 10.0),
        (TaskProgress("t", has_work=False, stepped_at_s=0.0), 0.0),
        (TaskProgress("t", has_work=True, stepped_at_s=0.0, waits_until_s=[101.0]), 0.0),
        # A wait that nobody has ended counts from its bound.
        (TaskProgress("t", has_work=True, stepped_at_s=0.0, waits_until_s=[97.0]), 3.0),
        (TaskProgress("t", has_work=True, stepped_at_s=0.0, waits_until_s=[101.0, 5.0]), 0.0),
        (TaskProgress("t", has_work=True, stepped_at_s=99.0, waits_until_s=[97.0]), 1.0),
    ],
)
def test_a_task_is_stalled_since_its_last_step_while_it_has_work(
    row: TaskProgress, stalled_s: float
) -> None:
    assert row.stalled_s(100.0) == stalled_s


async def stalled_after(seconds: float, run: Callable[[], Awaitable[None]]) -> list[StalledTask]:
    """The tasks that are stalled when `run` has been watched for so long."""
    table = ProgressTable()
    async with trio.open_nursery() as nursery:
        table.start_soon(nursery, "ferry", run)
        await trio.sleep(seconds)
        stalled = table.stalled(trio.current_time(), after_s=LIMIT_S)
        nursery.cancel_scope.cancel()
    assert not table.stalled(trio.current_time() + 1e6, after_s=LIMIT_S), "it has ended"
    return list(stalled)


async def test_a_task_with_work_that_stands_still_is_named(clock: MockClock) -> None:
    async def stand_still() -> None:
        with progress.working():
            await trio.sleep_forever()

    assert await stalled_after(59, stand_still) == []
    assert await stalled_after(75, stand_still) == [StalledTask("ferry", 75.0)]


async def test_each_step_begins_to_count_again(clock: MockClock) -> None:
    async def walk() -> None:
        with progress.working():
            for _ in range(10):
                await trio.sleep(50)
                progress.step()
            await trio.sleep_forever()

    assert await stalled_after(500 + 59, walk) == []
    assert await stalled_after(500 + 61, walk) == [StalledTask("ferry", 61.0)]


async def test_a_task_without_work_may_be_silent_for_ever(clock: MockClock) -> None:
    async def wait_for_work() -> None:
        with progress.working():
            progress.step()
        await trio.sleep_forever()

    assert await stalled_after(1e6, wait_for_work) == []


async def test_whoever_waits_for_a_neighbour_has_no_work_until_it_goes_on(clock: MockClock) -> None:
    async def wait_for_a_neighbour() -> None:
        with progress.working():
            with progress.resting():
                await trio.sleep(1_000)
            await trio.sleep_forever()

    assert await stalled_after(1_059, wait_for_a_neighbour) == []
    assert await stalled_after(1_061, wait_for_a_neighbour) == [StalledTask("ferry", 61.0)]


async def test_whoever_waits_for_a_lock_leaves_the_work_to_the_one_that_holds_it(
    clock: MockClock,
) -> None:
    lock = Lock()
    table = ProgressTable()

    async def hold() -> None:
        with progress.working():
            async with lock:
                await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        for name in ("first", "second"):
            table.start_soon(nursery, name, hold)
            await trio.sleep(1)
        await trio.sleep(70)
        assert [each.name for each in table.stalled(trio.current_time(), after_s=60)] == ["first"]
        nursery.cancel_scope.cancel()
    assert not lock.locked()


async def test_waits_and_pauses_are_steps_until_their_bound(clock: MockClock) -> None:
    async def wait() -> None:
        with progress.working():
            await progress.pause(200)
            ends_at = trio.current_time() + 100
            with trio.move_on_at(ends_at), progress.waiting(ends_at):
                await trio.sleep_forever()
            await trio.sleep_forever()

    assert await stalled_after(300 + 59, wait) == []
    assert await stalled_after(300 + 61, wait) == [StalledTask("ferry", 61.0)]


async def test_a_bound_that_does_not_hold_is_noticed(clock: MockClock) -> None:
    async def overrun() -> None:
        with progress.working(), progress.waiting(trio.current_time() + 100):
            await trio.sleep_forever()

    assert await stalled_after(159, overrun) == []
    assert await stalled_after(161, overrun) == [StalledTask("ferry", 61.0)]


async def test_a_short_wait_within_a_long_one_does_not_end_it(clock: MockClock) -> None:
    async def wait_twice() -> None:
        with progress.working(), progress.waiting(trio.current_time() + 500):
            await progress.pause(1)
            await trio.sleep_forever()

    assert await stalled_after(559, wait_twice) == []
    assert await stalled_after(561, wait_twice) == [StalledTask("ferry", 61.0)]


async def test_children_report_for_the_task_that_started_them(clock: MockClock) -> None:
    async def with_a_child() -> None:
        with progress.working():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(progress.pause, 1_000)

    assert await stalled_after(999, with_a_child) == []


async def test_a_task_that_crashes_is_no_longer_watched(clock: MockClock) -> None:
    table = ProgressTable()

    async def crash() -> None:
        with progress.working():
            raise OSError

    with pytest.RaisesGroup(OSError):
        async with trio.open_nursery() as nursery:
            table.start_soon(nursery, "ferry", crash)
    assert table.stalled(1e9, after_s=0) == ()


async def test_in_a_task_that_nobody_watches_reports_do_nothing(clock: MockClock) -> None:
    with progress.working(), progress.resting():
        progress.step()
        await progress.pause(5)
    async with Lock():
        assert trio.current_time() == pytest.approx(5.0)
