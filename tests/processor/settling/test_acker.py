from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from processor.edges.ports import Commit
from processor.settling.acker import GATHER_S, Acker
from processor.settling.receipts import Receipt, Receipts, written
from telemetry.chassis.nudge import Nudge
from tests.support.redis_harness import CAPACITY

if TYPE_CHECKING:
    from collections.abc import Collection

    from trio.testing import MockClock

    from processor.journal.journal import Journal
    from telemetry._codec import Batch
    from tests.processor.conftest import LogLines
    from tests.support.redis_harness import RedisHarness


class AckHarness:
    """An acker, and what it is given."""

    def __init__(self, harness: RedisHarness) -> None:
        self.harness = harness
        self.receipts, outlet = trio.open_memory_channel[Receipt](CAPACITY)
        self.due = Nudge()
        self.acker = Acker(harness.redis, outlet, self.due, in_flight=harness.in_flight)

    async def deliver(self, records: int) -> Batch:
        """Publish records and read them."""
        self.harness.publish(records)
        return await self.read()

    async def read(self, attempted: Collection[str] = ()) -> Batch:
        """Read what was published."""
        delivery = await self.harness.read()
        self.harness.in_flight.take_again(delivery, attempted)
        return delivery.batch

    def give(self, batch: Batch) -> None:
        """Give the receipt of a batch."""
        self.receipts.send_nowait(written(batch, Commit(1, batch.rows)))

    async def settle(self, *batches: Batch) -> None:
        """Give receipts for these, and acknowledge until they end."""
        for batch in batches:
            self.give(batch)
        self.receipts.close()
        await self.acker.run()

    @property
    def pending(self) -> int:
        return len(self.harness.server.pending)


@pytest.fixture
def acks(harness: RedisHarness) -> AckHarness:
    return AckHarness(harness)


async def test_nothing_is_acknowledged_without_a_receipt(
    clock: MockClock, harness: RedisHarness, acks: AckHarness, journal: Journal
) -> None:
    first, second = (await acks.deliver(10)).split()
    await acks.settle(second)
    assert acks.pending == len(harness.in_flight) == first.records == 5
    assert journal.snapshot().acks == 5
    assert journal.snapshot().in_flight_records == 5
    assert harness.in_flight.ledger.acked == 5


async def test_an_acknowledgement_without_an_answer_is_repeated_and_counts_once(
    clock: MockClock, harness: RedisHarness, acks: AckHarness, journal: Journal
) -> None:
    batch = await acks.deliver(10)
    harness.stream.lost_answers.append(harness.stream.unavailable())
    harness.stream.ack_failures += [harness.stream.unavailable(), harness.stream.unavailable()]
    await acks.settle(batch)
    assert acks.pending == len(harness.in_flight) == 0
    assert journal.snapshot().acks == harness.in_flight.ledger.acked == 10


async def test_what_a_peer_has_acknowledged_counts_as_acknowledged_here_too(
    clock: MockClock, harness: RedisHarness, acks: AckHarness
) -> None:
    batch = await acks.deliver(4)
    await (await harness.peer()).ack(batch)
    await acks.settle(batch)
    assert harness.in_flight.ledger.acked == 4
    assert len(harness.in_flight) == 0


async def test_of_a_batch_what_was_answered_counts_and_the_rest_alone_is_repeated(
    clock: MockClock, harness: RedisHarness, acks: AckHarness, journal: Journal
) -> None:
    named: list[int] = []
    ack = harness.stream.ack

    async def note(batch: Batch, *, attempted: Collection[str] = ()) -> int:
        named.append(batch.records)
        if len(named) == 3:
            harness.stream.ack_failures.append(harness.stream.unavailable())
        return await ack(batch, attempted=[*attempted])

    harness.stream.ack = note  # type: ignore[method-assign]
    harness.server.ack_records_max = 4
    batch = await acks.deliver(10)
    harness.in_flight.committed(batch)
    await acks.settle(batch)
    assert named == [10, 6, 2, 2]
    assert acks.pending == len(harness.in_flight) == 0
    assert not harness.in_flight.unacknowledged
    assert journal.snapshot().acks == harness.in_flight.ledger.acked == 10


async def test_a_life_that_ends_amid_a_batch_knows_which_part_of_it_was_answered(
    clock: MockClock, harness: RedisHarness, acks: AckHarness
) -> None:
    harness.server.ack_records_max = 4
    batch = await acks.deliver(10)
    harness.in_flight.committed(batch)
    ack = harness.stream.ack

    async def freeze_after(batch: Batch, *, attempted: Collection[str] = ()) -> int:
        acked = await ack(batch, attempted=[*attempted])
        harness.server.answers = trio.Event()
        return acked

    harness.stream.ack = freeze_after  # type: ignore[method-assign]
    with trio.move_on_after(10) as scope:
        await acks.settle(batch)
    assert scope.cancelled_caught
    assert harness.in_flight.ledger.acked == 4
    assert [left.entry_ids for left in harness.in_flight.unacknowledged] == [batch.entry_ids[4:]]
    assert len(harness.in_flight) == acks.pending == 6


async def test_recorded_failures_go_with_the_part_that_acknowledges_their_entries(
    clock: MockClock, harness: RedisHarness, acks: AckHarness
) -> None:
    entry_ids = harness.publish(10)
    attempted = [entry_ids[1], entry_ids[8]]
    for entry_id in attempted:
        harness.record(entry_id, 1)
    harness.server.ack_records_max = 4
    batch = await acks.read(attempted)
    await acks.settle(batch)
    assert [harness.failures_of(each) for each in attempted] == [0, 0]
    assert harness.in_flight.attempted(batch) == []


async def test_a_redis_that_is_away_is_waited_for(
    clock: MockClock,
    nursery: trio.Nursery,
    harness: RedisHarness,
    acks: AckHarness,
    journal: Journal,
    logged: LogLines,
) -> None:
    batch = await acks.deliver(10)
    harness.server.go_away()

    async def mend() -> None:
        await trio.sleep(60)
        assert not journal.snapshot().dependencies["redis"].ready
        harness.server.come_back()

    nursery.start_soon(mend)
    await acks.settle(batch)
    assert acks.pending == 0
    assert journal.snapshot().dependencies["redis"].ready
    assert logged.lines("Redis unreachable")


async def test_a_refused_acknowledgement_is_repeated_after_a_pause_and_logged(
    clock: MockClock, harness: RedisHarness, acks: AckHarness, journal: Journal, logged: LogLines
) -> None:
    batch = await acks.deliver(10)
    refusal = ("READONLY", "You can't write against a read only replica.")
    harness.stream.ack_failures += [
        harness.stream.refused(*refusal),
        harness.stream.refused(*refusal),
    ]
    began = trio.current_time()
    await acks.settle(batch)
    assert 0 < trio.current_time() - began <= 0.1 + 0.2
    assert acks.pending == 0
    assert journal.snapshot().acks == 10
    lines = logged.fields("acknowledgement failed")
    assert len(lines) == 2
    assert all("READONLY" in line["error"] for line in lines)


async def test_small_batches_gather_for_a_while_and_are_acknowledged_together(
    clock: MockClock,
    nursery: trio.Nursery,
    harness: RedisHarness,
    acks: AckHarness,
    journal: Journal,
) -> None:
    sizes = noted_sizes(harness)
    nursery.start_soon(acks.acker.run)
    for _ in range(3):
        acks.give(await acks.deliver(2))
        await trio.sleep(GATHER_S / 4)
    assert acks.pending == len(harness.in_flight) == 6
    await trio.sleep(GATHER_S / 2)
    assert sizes == [6]
    assert acks.pending == len(harness.in_flight) == 0
    assert journal.snapshot().acks == harness.in_flight.ledger.acked == 6
    nursery.cancel_scope.cancel()


async def test_a_large_batch_does_not_wait_for_others(
    clock: MockClock,
    nursery: trio.Nursery,
    harness: RedisHarness,
    acks: AckHarness,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("processor.settling.acker.LARGE_RECORDS", 5)
    began = trio.current_time()
    nursery.start_soon(acks.acker.run)
    acks.give(await acks.deliver(5))
    await wait_all_tasks_blocked()
    assert acks.pending == 0
    assert trio.current_time() == began
    nursery.cancel_scope.cancel()


async def test_at_the_end_nothing_gathers(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, acks: AckHarness
) -> None:
    receipts = Receipts(acks.receipts, harness.in_flight, acks.due)
    began = trio.current_time()
    nursery.start_soon(acks.acker.run)
    batch = await acks.deliver(2)
    await receipts.send(written(batch, Commit(1, batch.rows)))
    await trio.sleep(GATHER_S / 4)
    assert acks.pending == 2
    receipts.close()
    await wait_all_tasks_blocked()
    assert acks.pending == 0
    assert trio.current_time() == began + GATHER_S / 4


async def test_what_is_left_behind_the_last_sender_waits_for_nothing(
    clock: MockClock, acks: AckHarness
) -> None:
    """Nobody calls the acker then."""
    batches = [await acks.deliver(2) for _ in range(3)]
    began = trio.current_time()
    await acks.settle(*batches)
    assert acks.pending == 0
    assert trio.current_time() == began


async def test_writers_do_not_wait_for_what_gathers(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness
) -> None:
    send, outlet = trio.open_memory_channel[Receipt](2)
    due = Nudge()
    receipts = Receipts(send, harness.in_flight, due)
    acks = AckHarness(harness)
    nursery.start_soon(Acker(harness.redis, outlet, due, in_flight=harness.in_flight).run)
    began = trio.current_time()
    for _ in range(9):
        batch = await acks.deliver(1)
        await receipts.send(written(batch, Commit(1, batch.rows)))
    assert trio.current_time() == began
    receipts.close()


async def test_a_cancelled_acker_leaves_what_it_has_not_named_pending(
    clock: MockClock, harness: RedisHarness, acks: AckHarness
) -> None:
    batch = await acks.deliver(10)
    harness.server.answers = trio.Event()
    with trio.move_on_after(10) as scope:
        await acks.settle(batch)
    assert scope.cancelled_caught
    assert acks.pending == len(harness.in_flight) == 10


async def test_recorded_failures_are_forgotten_with_the_acknowledgement_of_their_entries_alone(
    clock: MockClock, harness: RedisHarness, acks: AckHarness
) -> None:
    asked: list[list[str]] = []
    ack = harness.stream.ack

    async def note(batch: Batch, *, attempted: Collection[str] = ()) -> int:
        asked.append(list(attempted))
        return await ack(batch, attempted=list(attempted))

    harness.stream.ack = note  # type: ignore[method-assign]
    _, ours, _, other = harness.publish(4)
    for entry_id in (ours, other):
        harness.record(entry_id, 1)
    first, second = (await acks.read(attempted=[ours])).split()
    # Its failure is somebody else's business: it was not known when the entry came in.
    await acks.settle(first, second)
    assert asked == [[ours]]
    assert [harness.failures_of(each) for each in (ours, other)] == [0, 1]


async def test_the_failures_of_an_entry_that_is_not_acknowledged_are_kept(
    clock: MockClock, harness: RedisHarness, acks: AckHarness
) -> None:
    _, kept, _, acked = harness.publish(4)
    harness.record(kept, 1)
    harness.record(acked, 2)
    _, second = (await acks.read(attempted=[kept, acked])).split()
    await acks.settle(second)
    assert [harness.failures_of(each) for each in (kept, acked)] == [1, 0]
    assert harness.in_flight.attempted(second) == []


def noted_sizes(harness: RedisHarness) -> list[int]:
    """The records that each acknowledgement names from now on."""
    sizes: list[int] = []
    ack = harness.stream.ack

    async def note(batch: Batch, *, attempted: Collection[str] = ()) -> int:
        sizes.append(batch.records)
        return await ack(batch, attempted=list(attempted))

    harness.stream.ack = note  # type: ignore[method-assign]
    return sizes
