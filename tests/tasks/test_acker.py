from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import trio

from processor.edges.fakes.stream import FakeStream
from processor.tasks.acker import Acker
from processor.tasks.committing import Receipt
from tests.edges.batches import position

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor._codec import Batch
    from processor.core.backoff import Backoff
    from processor.statistics import Recorder
    from processor.tasks.in_hand import InHand
    from processor.tasks.retrying import Dependency
    from tests.tasks.conftest import Told


class Desk:
    """An acker, and a stream that has delivered records to this consumer."""

    def __init__(self, in_hand: InHand, redis: Dependency, backoff: Backoff) -> None:
        self.stream = FakeStream()
        self.in_hand = in_hand
        self.receipts, outlet = trio.open_memory_channel[Receipt](10)
        self.acker = Acker(self.stream, outlet, in_hand=in_hand, redis=redis, backoff=backoff)
        self._recorder = redis.recorder

    async def deliver(self, records: int) -> Batch:
        """Publish records and read them."""
        for second in range(records):
            fields = {"codec": "8", "payload": json.dumps(position(1, second))}
            self.stream.redis.add(fields)
        await self.stream.connect()
        await self.stream.ensure_group()
        delivery = await self.stream.read_new(records, 1)
        self._recorder.read_answered(entries=delivery.entries, records=delivery.batch.records)
        self.in_hand.take(delivery.batch.records)
        return delivery.batch

    async def settle(self, *batches: Batch) -> None:
        """Give receipts for these, and acknowledge until they end."""
        for batch in batches:
            self.receipts.send_nowait(Receipt(batch, batch.records))
        self.receipts.close()
        await self.acker.run()

    @property
    def pending(self) -> int:
        assert self.stream.redis.group is not None
        return len(self.stream.redis.group.pending)


@pytest.fixture
def desk(in_hand: InHand, redis: Dependency, backoff: Backoff) -> Desk:
    return Desk(in_hand, redis, backoff)


async def test_nothing_is_acknowledged_without_a_receipt(
    clock: MockClock, desk: Desk, recorder: Recorder
) -> None:
    first, second = (await desk.deliver(10)).split()
    await desk.settle(second)
    assert desk.pending == desk.in_hand.records == first.records == 5
    assert recorder.snapshot().acks == 5
    assert recorder.snapshot().in_flight_records == 5


async def test_an_acknowledgement_without_an_answer_is_repeated_and_counts_once(
    clock: MockClock, desk: Desk, recorder: Recorder
) -> None:
    batch = await desk.deliver(10)
    desk.stream.lost_answers.append(desk.stream.unavailable())
    desk.stream.ack_failures += [desk.stream.unavailable(), desk.stream.unavailable()]
    await desk.settle(batch)
    assert desk.pending == desk.in_hand.records == 0
    assert recorder.snapshot().acks == 10


async def test_a_redis_that_is_away_is_waited_for(
    clock: MockClock, nursery: trio.Nursery, desk: Desk, recorder: Recorder, told: Told
) -> None:
    batch = await desk.deliver(10)
    desk.stream.redis.go_away()

    async def mend() -> None:
        await trio.sleep(60)
        assert not recorder.snapshot().dependencies["redis"].ready
        desk.stream.redis.come_back()

    nursery.start_soon(mend)
    await desk.settle(batch)
    assert desk.pending == 0
    assert recorder.snapshot().dependencies["redis"].ready
    assert told.lines("Redis unreachable")


async def test_a_refused_acknowledgement_is_repeated_after_a_pause_and_told(
    clock: MockClock, desk: Desk, recorder: Recorder, told: Told
) -> None:
    batch = await desk.deliver(10)
    refusal = ("READONLY", "You can't write against a read only replica.")
    desk.stream.ack_failures += [desk.stream.refused(*refusal), desk.stream.refused(*refusal)]
    began = trio.current_time()
    await desk.settle(batch)
    assert 0 < trio.current_time() - began <= 0.1 + 0.2
    assert desk.pending == 0
    assert recorder.snapshot().acks == 10
    lines = told.fields("acknowledgement failed")
    assert len(lines) == 2
    assert all("READONLY" in line["error"] for line in lines)


async def test_a_cancelled_acker_leaves_what_it_has_not_named_pending(
    clock: MockClock, desk: Desk
) -> None:
    batch = await desk.deliver(10)
    desk.stream.redis.answers = trio.Event()
    with trio.move_on_after(10) as scope:
        await desk.settle(batch)
    assert scope.cancelled_caught
    assert desk.pending == desk.in_hand.records == 10
