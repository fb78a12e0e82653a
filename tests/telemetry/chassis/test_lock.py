"""A lock that costs nothing while nobody waits for it: one at a time, in order, whoever is cancelled."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from telemetry.chassis.lock import Lock


class Holder:
    """A task that takes the lock, and holds it until it is let go."""

    def __init__(self, lock: Lock, held: list[str], name: str) -> None:
        self.scope = trio.CancelScope()
        self.let_go = trio.Event()
        self._lock, self._held, self._name = lock, held, name

    async def run(self) -> None:
        with self.scope:
            async with self._lock:
                self._held.append(self._name)
                await self.let_go.wait()
                self._held.remove(self._name)


@pytest.fixture
async def holders(nursery: trio.Nursery) -> tuple[Lock, list[str], list[Holder]]:
    """Three tasks that ask for the lock one after the other; the first one holds it."""
    lock, held = Lock(), list[str]()
    holders = [Holder(lock, held, name) for name in "abc"]
    for holder in holders:
        nursery.start_soon(holder.run)
        await wait_all_tasks_blocked()
    return lock, held, holders


async def test_a_free_lock_is_taken_without_a_visit_to_the_scheduler(
    nursery: trio.Nursery,
) -> None:
    lock, others_ran = Lock(), trio.Event()
    nursery.start_soon(_set, others_ran)
    async with lock:
        assert lock.locked()
    assert not lock.locked()
    assert not others_ran.is_set()


async def _set(event: trio.Event) -> None:
    event.set()


async def test_a_task_that_is_cancelled_does_not_take_it() -> None:
    lock = Lock()
    with trio.CancelScope() as scope:
        scope.cancel()
        await lock.acquire()
    assert scope.cancelled_caught
    assert not lock.locked()


async def test_one_task_holds_it_at_a_time_in_the_order_of_asking(
    holders: tuple[Lock, list[str], list[Holder]],
) -> None:
    lock, held, tasks = holders
    for name, task in zip("abc", tasks, strict=True):
        assert held == [name]
        task.let_go.set()
        await wait_all_tasks_blocked()
    assert held == []
    assert not lock.locked()


async def test_a_waiting_task_that_is_cancelled_lets_the_next_one_have_it(
    holders: tuple[Lock, list[str], list[Holder]],
) -> None:
    lock, held, (first, second, third) = holders
    second.scope.cancel()
    first.let_go.set()
    await wait_all_tasks_blocked()
    assert held == ["c"]
    third.let_go.set()
    await wait_all_tasks_blocked()
    assert not lock.locked()


async def test_a_task_that_is_cancelled_when_it_is_handed_over_gives_it_on(
    nursery: trio.Nursery,
) -> None:
    lock, held = Lock(), list[str]()
    await lock.acquire()
    second, third = (Holder(lock, held, name) for name in "bc")
    for holder in (second, third):
        nursery.start_soon(holder.run)
        await wait_all_tasks_blocked()
    lock.release()
    # It is the second one's now, which ends at its next checkpoint; nobody slips in before.
    assert lock.locked()
    second.scope.cancel()
    await wait_all_tasks_blocked()
    assert "c" in held
    third.let_go.set()
    await wait_all_tasks_blocked()
    assert not lock.locked()


async def test_nobody_slips_in_between_two_that_hold_it(
    holders: tuple[Lock, list[str], list[Holder]],
) -> None:
    lock, held, (first, _, _) = holders
    first.let_go.set()
    taken_at_once = trio.CancelScope()
    with taken_at_once:
        taken_at_once.deadline = trio.current_time()
        await lock.acquire()
    await wait_all_tasks_blocked()
    assert held == ["b"]
    assert lock.locked()
