"""How soon a read follows the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from tests.support.redis_harness import RedisHarness

if TYPE_CHECKING:
    from trio.testing import MockClock


INTERVAL_S = 0.2


async def test_what_comes_within_an_interval_of_the_last_read_gathers(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness
) -> None:
    harness.interval_ms = 200
    first = harness.publish(1)
    began = trio.current_time()
    nursery.start_soon(harness.consumer().run)
    assert await harness.receive() == first
    assert trio.current_time() == began
    gathered = harness.publish(2, first_second=100)
    await trio.sleep(INTERVAL_S / 2)
    gathered += harness.publish(2, first_second=200)
    assert await harness.receive() == gathered
    assert trio.current_time() == pytest.approx(began + INTERVAL_S)
    nursery.cancel_scope.cancel()


async def test_a_pace_slower_than_the_interval_is_followed_at_once(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness
) -> None:
    harness.interval_ms = 200
    nursery.start_soon(harness.consumer().run)
    for second in range(3):
        await trio.sleep(INTERVAL_S * 1.1)
        published = trio.current_time()
        ids = harness.publish(1, first_second=second)
        assert await harness.receive() == ids
        assert trio.current_time() == published
    nursery.cancel_scope.cancel()


async def test_a_full_read_is_followed_at_once(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness
) -> None:
    harness.interval_ms = 200
    ids = harness.publish(12)
    began = trio.current_time()
    nursery.start_soon(harness.consumer().run)
    assert [await harness.receive() for _ in range(3)] == [ids[:5], ids[5:10], ids[10:]]
    assert trio.current_time() == began
    nursery.cancel_scope.cancel()


async def test_a_stop_request_does_not_wait_for_the_interval(
    clock: MockClock, harness: RedisHarness
) -> None:
    harness.interval_ms = 3_600_000
    ids = harness.publish(1)
    with trio.move_on_after(1) as stopped:
        await harness.consumer().run()
    assert stopped.cancelled_caught
    assert trio.current_time() == pytest.approx(1, abs=0.01)
    assert harness.taken() == ids
