from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from processor._codec import Batch
from processor.edges.fakes.stream import FakeStream
from processor.tasks.consumer import Consumer, ReadOptions
from tests.edges.batches import position

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.core.backoff import Backoff
    from processor.statistics import Recorder
    from processor.tasks.in_hand import InHand
    from processor.tasks.retrying import Dependency
    from tests.tasks.conftest import Told


# Virtual seconds: beyond them it will never come.
WAIT_S_MAX = 3_600


class Desk:
    """A consumer of a stream, and the outlets that writers would have."""

    def __init__(self, in_hand: InHand, redis: Dependency, backoff: Backoff) -> None:
        self.stream = FakeStream()
        self.in_hand = in_hand
        self._redis = redis
        self._backoff = backoff
        self.outlets: list[trio.MemoryReceiveChannel[Batch]] = []

    def consumer(self, *, outlets: int = 1, capacity: int = 10) -> Consumer:
        inlets = []
        for _ in range(outlets):
            inlet, outlet = trio.open_memory_channel[Batch](capacity)
            inlets.append(inlet)
            self.outlets.append(outlet)
        return Consumer(
            self.stream,
            inlets,
            ReadOptions(count=5, block_ms=1_000),
            in_hand=self.in_hand,
            redis=self._redis,
            backoff=self._backoff,
        )

    async def connect(self) -> None:
        await self.stream.connect()
        await self.stream.ensure_group()

    def publish(self, records: int, *, device: int = 1, first_second: int = 0) -> list[str]:
        return [self.add(position(device, first_second + n)) for n in range(records)]

    def add(self, value: object) -> str:
        return self.stream.redis.add({"codec": "8", "payload": json.dumps(value)})

    async def receive(self) -> list[str]:
        """The ids of the next batch that a writer would get; it stays in hand."""
        with trio.fail_after(WAIT_S_MAX):
            return (await self.outlets[0].receive()).entry_ids

    def pending(self) -> int:
        assert self.stream.redis.group is not None
        return len(self.stream.redis.group.pending)


@pytest.fixture
async def desk(in_hand: InHand, redis: Dependency, backoff: Backoff) -> Desk:
    desk = Desk(in_hand, redis, backoff)
    await desk.connect()
    return desk


async def test_own_pending_entries_come_first_and_in_pieces(
    clock: MockClock, nursery: trio.Nursery, desk: Desk, told: Told
) -> None:
    old = desk.publish(7)
    await desk.stream.read_new(7, 1)
    new = desk.publish(2, first_second=100)
    nursery.start_soon(desk.consumer().run)
    assert [await desk.receive() for _ in range(3)] == [old[:5], old[5:], new]
    lines = told.fields("batch consumed")
    assert [(line["n"], line["redelivered"]) for line in lines] == [
        (5, True),
        (2, True),
        (2, False),
    ]
    nursery.cancel_scope.cancel()


async def test_after_a_lost_connection_pending_entries_are_read_once_nothing_is_in_hand(
    clock: MockClock, nursery: trio.Nursery, desk: Desk, recorder: Recorder
) -> None:
    nursery.start_soon(desk.consumer().run)
    first = desk.publish(2)
    assert await desk.receive() == first
    desk.stream.redis.go_away()
    await trio.sleep(30)
    assert not recorder.snapshot().dependencies["redis"].ready
    desk.stream.redis.come_back()
    await trio.sleep(30)
    # Connected again; but what is pending is in the writer's hand.
    assert recorder.snapshot().dependencies["redis"].ready
    assert recorder.snapshot().records_read == 2

    later = desk.publish(1, first_second=100)
    desk.stream.redis.acknowledge([(1, 0)])
    desk.in_hand.settle(2)
    # Left without an acknowledgement, so read again; then the new one.
    assert await desk.receive() == first[1:]
    assert await desk.receive() == later
    nursery.cancel_scope.cancel()


async def test_what_was_read_is_handed_over_though_a_stop_was_asked_for(
    clock: MockClock, nursery: trio.Nursery, desk: Desk
) -> None:
    consumer = desk.consumer(capacity=0)
    read = desk.publish(3)
    ended = trio.Event()
    scope = trio.CancelScope()

    async def run() -> None:
        with scope:
            await consumer.run()
        ended.set()

    nursery.start_soon(run)
    await wait_all_tasks_blocked()
    assert desk.in_hand.records == 3
    scope.cancel()
    await wait_all_tasks_blocked()
    assert not ended.is_set()
    assert await desk.receive() == read
    await ended.wait()
    with pytest.raises(trio.EndOfChannel):
        await desk.receive()


async def test_a_delivery_that_was_on_its_way_at_the_stop_is_handed_over(
    clock: MockClock, nursery: trio.Nursery, desk: Desk
) -> None:
    scope = trio.CancelScope()

    async def run() -> None:
        with scope:
            await desk.consumer().run()

    nursery.start_soon(run)
    await wait_all_tasks_blocked()
    late = desk.publish(2)
    scope.cancel()
    assert await desk.receive() == late
    with pytest.raises(trio.EndOfChannel):
        await desk.receive()
    assert desk.in_hand.records == 2


async def test_a_cancelled_consumer_reads_no_more_and_closes_every_inlet(
    clock: MockClock, desk: Desk
) -> None:
    with trio.move_on_after(10):
        await desk.consumer(outlets=3).run()
    desk.publish(5)
    await wait_all_tasks_blocked()
    for outlet in desk.outlets:
        with pytest.raises(trio.EndOfChannel), trio.fail_after(WAIT_S_MAX):
            await outlet.receive()
    assert desk.pending() == 0


async def test_it_ends_by_itself_when_the_writers_are_gone(clock: MockClock, desk: Desk) -> None:
    consumer = desk.consumer()
    desk.outlets[0].close()
    desk.publish(3)
    with trio.fail_after(10):
        await consumer.run()
    assert desk.in_hand.records == desk.pending() == 3


async def test_a_device_always_goes_to_the_same_writer(
    clock: MockClock, nursery: trio.Nursery, desk: Desk
) -> None:
    for second in range(4):
        for device in range(20):
            desk.add(position(device, second))
    nursery.start_soon(desk.consumer(outlets=2, capacity=100).run)
    await wait_all_tasks_blocked()
    shares: list[set[int]] = []
    for outlet in desk.outlets:
        share: set[int] = set()
        for _ in range(outlet.statistics().current_buffer_used):
            batch = await outlet.receive()
            share |= {(int(entry_id[:-2]) - 1) % 20 for entry_id in batch.entry_ids}
        shares.append(share)
    assert shares[0] | shares[1] == set(range(20))
    assert not shares[0] & shares[1]
    assert all(shares)
    nursery.cancel_scope.cancel()


async def test_a_refused_entry_is_told_once_though_it_is_read_again(
    clock: MockClock, nursery: trio.Nursery, desk: Desk, recorder: Recorder, told: Told
) -> None:
    bad = desk.add({"device_id": "1"})
    [good] = desk.publish(1)
    nursery.start_soon(desk.consumer().run)
    assert await desk.receive() == [good]
    desk.in_hand.settle(1)
    desk.stream.redis.go_away()
    desk.stream.redis.come_back()
    assert await desk.receive() == [good]
    [line] = told.fields("record refused")
    assert (line["entry_id"], line["code"], line["field"], line["sqlstate"]) == (
        bad,
        "missing_field",
        "timestamp",
        None,
    )
    assert recorder.snapshot().decode_errors["missing_field"] >= 1
    nursery.cancel_scope.cancel()


async def test_entries_that_are_gone_are_acknowledged_and_told_as_lost(
    clock: MockClock, nursery: trio.Nursery, desk: Desk, recorder: Recorder, told: Told
) -> None:
    ids = desk.publish(3)
    await desk.stream.read_new(3, 1)
    for entry_id in ids[:2]:
        desk.stream.redis.delete(entry_id)
    nursery.start_soon(desk.consumer().run)
    assert await desk.receive() == ids[2:]
    await wait_all_tasks_blocked()
    [line] = told.fields("entries lost")
    assert (line["n"], line["first_id"], line["last_id"]) == (2, ids[0], ids[1])
    assert desk.pending() == 1
    assert recorder.snapshot().acks == 2
    assert recorder.snapshot().in_flight_records == 1
    nursery.cancel_scope.cancel()


async def test_a_group_that_is_gone_is_made_anew_and_told(
    clock: MockClock, nursery: trio.Nursery, desk: Desk, recorder: Recorder, told: Told
) -> None:
    ids = desk.publish(2)
    nursery.start_soon(desk.consumer().run)
    assert await desk.receive() == ids
    desk.in_hand.settle(2)
    desk.stream.redis.destroy_group()
    assert await desk.receive() == ids
    assert len(told.lines("consumer group is gone")) == 1
    assert recorder.snapshot().reads["error"] == 1
    assert recorder.snapshot().dependencies["redis"].ready
    nursery.cancel_scope.cancel()


async def test_a_read_that_is_refused_for_long_is_repeated_with_pauses_and_told(
    clock: MockClock, nursery: trio.Nursery, desk: Desk, told: Told
) -> None:
    refusal = desk.stream.refused("NOPERM", "this user has no permissions to run 'xreadgroup'")
    desk.stream.read_failures += [refusal] * 6
    ids = desk.publish(2)
    began = trio.current_time()
    nursery.start_soon(desk.consumer().run)
    assert await desk.receive() == ids
    assert 0 < trio.current_time() - began <= 0.1 + 0.2 + 0.4 + 0.8 + 1.6
    lines = told.fields("read failed and is repeated")
    assert len(lines) == 6
    assert lines[0]["retry_ms"] == 0
    assert all("NOPERM" in line["error"] for line in lines)
    nursery.cancel_scope.cancel()


async def test_a_lost_connection_is_made_anew_at_once(
    clock: MockClock, nursery: trio.Nursery, desk: Desk
) -> None:
    nursery.start_soon(desk.consumer().run)
    for second in range(5):
        await wait_all_tasks_blocked()
        began = trio.current_time()
        desk.stream.redis.go_away()
        desk.stream.redis.come_back()
        desk.publish(1, first_second=second)
        await desk.receive()
        desk.in_hand.settle(1)
        desk.stream.redis.acknowledge([(second + 1, 0)])
        assert trio.current_time() == began
    nursery.cancel_scope.cancel()
