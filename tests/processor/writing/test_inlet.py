"""What waits for a busy writer: bounded in entries, in order, and nothing lost by a cancellation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import assert_no_checkpoints, wait_all_tasks_blocked

from processor.writing.inlet import Inlet
from tests.support.batches import rows

if TYPE_CHECKING:
    from telemetry._codec import Batch

ENTRIES_MAX = 10


@pytest.fixture
def inlet() -> Inlet:
    return Inlet(rows_max=6, entries_max=ENTRIES_MAX)


async def takes(inlet: Inlet) -> list[int]:
    return sizes(await inlet.take())


def sizes(batches: list[Batch]) -> list[int]:
    return [batch.records for batch in batches]


async def test_all_that_waits_is_taken_in_one_go_up_to_a_batch(inlet: Inlet) -> None:
    for size in (1, 2, 3, 4):
        with assert_no_checkpoints():
            await inlet.put(rows(size))
    with assert_no_checkpoints():
        assert await takes(inlet) == [1, 2, 3]
        assert await takes(inlet) == [4]


async def test_beside_rows_that_are_taken_already_a_batch_has_less_room(inlet: Inlet) -> None:
    for size in (1, 2, 3):
        await inlet.put(rows(size))
    assert sizes(inlet.take_nowait(beside_rows=2)) == [1, 2]
    assert inlet.entries == 3


async def test_a_put_waits_for_room_in_entries_and_the_next_ones_behind_it(
    nursery: trio.Nursery, inlet: Inlet
) -> None:
    for _ in range(ENTRIES_MAX - 1):
        await inlet.put(rows(1))
    nursery.start_soon(inlet.put, rows(5))
    await wait_all_tasks_blocked()
    nursery.start_soon(inlet.put, rows(1))
    await wait_all_tasks_blocked()
    assert inlet.entries == ENTRIES_MAX - 1
    assert await takes(inlet) == [1] * 6
    assert inlet.entries == 3 + 5 + 1
    assert await takes(inlet) == [1, 1, 1]
    assert await takes(inlet) == [5, 1]


async def test_where_nothing_waits_a_batch_of_any_size_is_let_in(inlet: Inlet) -> None:
    await inlet.put(rows(3 * ENTRIES_MAX))
    taken = []
    while inlet.entries:
        taken += await takes(inlet)
    assert sum(taken) == 3 * ENTRIES_MAX
    assert max(taken) <= inlet.rows_max


async def test_a_writer_that_waits_is_woken_by_a_put_and_by_the_end(
    nursery: trio.Nursery, inlet: Inlet
) -> None:
    taken: list[int] = []

    async def write() -> None:
        while True:
            taken.extend(await takes(inlet))

    async def run() -> None:
        with pytest.raises(trio.EndOfChannel):
            await write()
        taken.append(0)

    nursery.start_soon(run)
    await wait_all_tasks_blocked()
    await inlet.put(rows(2))
    await wait_all_tasks_blocked()
    inlet.close()
    await wait_all_tasks_blocked()
    assert taken == [2, 0]


async def test_closed_it_runs_dry_and_takes_no_more(inlet: Inlet) -> None:
    await inlet.put(rows(6))
    await inlet.put(rows(1))
    inlet.close()
    with pytest.raises(trio.ClosedResourceError):
        await inlet.put(rows(1))
    assert await takes(inlet) == [6]
    assert await takes(inlet) == [1]
    with pytest.raises(trio.EndOfChannel):
        await inlet.take()


async def test_abandoned_it_refuses_those_that_put_and_those_that_wait(
    nursery: trio.Nursery, inlet: Inlet
) -> None:
    async def put() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await inlet.put(rows(2))

    with inlet:
        await inlet.put(rows(ENTRIES_MAX))
        nursery.start_soon(put)
        await wait_all_tasks_blocked()
    assert inlet.entries == 0
    await put()


async def test_a_cancelled_put_has_put_nothing_and_one_with_room_has_put_all(inlet: Inlet) -> None:
    await inlet.put(rows(ENTRIES_MAX))
    with trio.CancelScope() as scope:
        scope.cancel()
        await inlet.put(rows(3))
    assert inlet.entries == ENTRIES_MAX
    inlet.take_nowait()
    inlet.take_nowait()
    with trio.CancelScope() as scope:
        scope.cancel()
        await inlet.put(rows(3))
    assert await takes(inlet) == [3]


async def test_a_put_that_is_let_in_and_cancelled_in_the_same_step_has_put_all(
    nursery: trio.Nursery, inlet: Inlet
) -> None:
    await inlet.put(rows(6))
    scope = trio.CancelScope()
    ended: list[bool] = []

    async def put() -> None:
        with scope:
            await inlet.put(rows(5))
            ended.append(True)

    nursery.start_soon(put)
    await wait_all_tasks_blocked()
    assert await takes(inlet) == [6]
    scope.cancel()
    await wait_all_tasks_blocked()
    assert ended == [True]
    assert await takes(inlet) == [5]


async def test_a_put_that_is_cancelled_before_there_is_room_has_put_nothing(
    nursery: trio.Nursery, inlet: Inlet
) -> None:
    await inlet.put(rows(6))
    scope = trio.CancelScope()

    async def put() -> None:
        with scope:
            await inlet.put(rows(5))

    nursery.start_soon(put)
    await wait_all_tasks_blocked()
    scope.cancel()
    assert await takes(inlet) == [6]
    await wait_all_tasks_blocked()
    assert scope.cancelled_caught
    assert inlet.entries == 0


@pytest.mark.parametrize("is_woken_first", [True, False])
async def test_a_cancelled_take_has_taken_nothing_and_one_that_was_woken_has_taken_all(
    nursery: trio.Nursery, inlet: Inlet, *, is_woken_first: bool
) -> None:
    scope = trio.CancelScope()
    taken: list[int] = []

    async def take() -> None:
        with scope:
            taken.extend(await takes(inlet))

    nursery.start_soon(take)
    await wait_all_tasks_blocked()
    if is_woken_first:
        await inlet.put(rows(2))
        scope.cancel()
    else:
        scope.cancel()
        await inlet.put(rows(2))
    await wait_all_tasks_blocked()
    assert taken == ([2] if is_woken_first else [])
    assert inlet.entries == (0 if is_woken_first else 2)
