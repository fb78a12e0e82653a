from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from processor.core.attempts import Failure
from processor.core.in_flight import InFlight
from processor.settling.failure_recorder import FailureReport
from processor.settling.receipts import Receipt, Receipts
from processor.writing.device_states import KnownDevices, NewestPositions
from processor.writing.inlet import Inlet
from processor.writing.writer import Writer
from telemetry._codec import Batch, DeviceStates
from telemetry.chassis.lock import Lock
from telemetry.chassis.nudge import Nudge
from tests.support.batches import batch_of, position, rows
from tests.support.fakes.rows import day_of
from tests.support.stores import SpyStore, rows_of

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.journal.journal import Journal
    from telemetry.chassis.backoff import Backoff

ROWS_MAX = 100


class WriterHarness:
    """A writer between its inlet and its channels."""

    def __init__(self, journal: Journal, in_flight: InFlight, backoff: Backoff) -> None:
        self.store = SpyStore()
        self.turn = Lock()
        self.in_flight = in_flight
        self.inlet = Inlet(rows_max=ROWS_MAX, entries_max=50 * ROWS_MAX)
        receipts, self.receipts = trio.open_memory_channel[Receipt](50)
        failures, self.failures = trio.open_memory_channel[FailureReport](50)
        self.states = DeviceStates(100)
        self.writer = Writer(
            self.store,
            self.inlet,
            Receipts(receipts, self.in_flight, Nudge()),
            failures,
            devices=KnownDevices(self.store, NewestPositions(self.states), journal=journal),
            turn=self.turn,
            journal=journal,
            backoff=backoff,
        )

    async def put(self, batch: Batch) -> None:
        await self.inlet.put(batch)

    async def only_failure(self) -> Failure:
        """The one failure that is sent until the writer has ended."""
        [failures] = [each async for each in self.failures]
        assert isinstance(failures, list)
        [failure] = failures
        return failure

    @property
    def write_sizes(self) -> list[int]:
        return [size for _, size in self.store.writes]


@pytest.fixture
def writer_harness(journal: Journal, in_flight: InFlight, backoff: Backoff) -> WriterHarness:
    return WriterHarness(journal, in_flight, backoff)


def some(count: int, first_second: int) -> Batch:
    return rows(count, first_second=first_second)


async def test_under_load_batches_grow_to_their_limit_and_no_further(
    clock: MockClock, nursery: trio.Nursery, writer_harness: WriterHarness
) -> None:
    nursery.start_soon(writer_harness.writer.run)
    writer_harness.store.table.answers = trio.Event()
    await writer_harness.put(some(1, 0))
    await trio.sleep(1)
    for hour in range(1, 11):
        await writer_harness.put(some(30, hour * 3_600))
    await writer_harness.put(some(2 * ROWS_MAX + 20, 20 * 3_600))
    writer_harness.store.table.answers.set()
    writer_harness.inlet.close()
    await wait_all_tasks_blocked()
    assert [
        receipt.inserted async for receipt in writer_harness.receipts
    ] == writer_harness.write_sizes
    assert writer_harness.write_sizes[:4] == [1, 90, 90, 90]
    assert sum(writer_harness.write_sizes) == 1 + 300 + 220
    assert max(writer_harness.write_sizes) <= ROWS_MAX


async def test_many_small_reads_make_few_large_batches_for_a_slow_writer(
    clock: MockClock, nursery: trio.Nursery, writer_harness: WriterHarness
) -> None:
    nursery.start_soon(writer_harness.writer.run)
    writer_harness.store.table.answers = trio.Event()
    for second in range(51):
        await writer_harness.put(some(2, second * 100))
        await wait_all_tasks_blocked()
    writer_harness.store.table.answers.set()
    writer_harness.inlet.close()
    receipts = [receipt async for receipt in writer_harness.receipts]
    assert [receipt.inserted for receipt in receipts] == [2, ROWS_MAX]


async def test_no_other_task_gets_the_turn_while_a_batch_is_written(
    clock: MockClock, nursery: trio.Nursery, writer_harness: WriterHarness
) -> None:
    nursery.start_soon(writer_harness.writer.run)
    writer_harness.store.table.answers = trio.Event()
    await writer_harness.put(some(1, 0))
    await trio.sleep(1)
    assert writer_harness.turn.locked()
    writer_harness.store.table.answers.set()
    await trio.sleep(1)
    assert not writer_harness.turn.locked()
    writer_harness.inlet.close()


async def test_a_closed_inlet_is_written_to_its_end_and_the_receipts_are_closed(
    clock: MockClock, writer_harness: WriterHarness
) -> None:
    for hour in range(5):
        await writer_harness.put(some(30, hour * 3_600))
    writer_harness.inlet.close()
    await writer_harness.writer.run()
    receipts = [receipt async for receipt in writer_harness.receipts]
    assert sum(receipt.inserted for receipt in receipts) == 150
    assert len(writer_harness.store.table.rows) == 150


async def test_device_states_are_updated_before_the_write(
    clock: MockClock, writer_harness: WriterHarness, journal: Journal
) -> None:
    device = position(1, 0)["device_id"]
    seen: list[int] = []

    def look() -> None:
        state = writer_harness.states.get(device)
        assert state is not None
        seen.append(state.session_records)

    writer_harness.store.before_write = look
    await writer_harness.put(batch_of([position(1, 0), position(1, 7)]))
    writer_harness.inlet.close()
    await writer_harness.writer.run()
    assert seen == [2]
    assert journal.snapshot().device_state_size == 1


async def test_refused_records_are_sent_to_be_recorded_and_their_neighbours_receipted(
    clock: MockClock, writer_harness: WriterHarness, journal: Journal
) -> None:
    writer_harness.store.speed_max = 200
    await writer_harness.put(batch_of([position(1, 0), position(2, 0, speed=250), position(3, 0)]))
    writer_harness.inlet.close()
    await writer_harness.writer.run()
    failure = await writer_harness.only_failure()
    assert (failure.entry_id, failure.code, failure.sqlstate) == (
        "2-0",
        "refused_by_server",
        "23514",
    )
    receipted = [
        each async for receipt in writer_harness.receipts for each in receipt.batch.entry_ids
    ]
    assert sorted(receipted) == ["1-0", "3-0"]
    assert journal.snapshot().position_writes["failed"] == 1


async def test_a_cancelled_writer_closes_all_of_its_channels(
    clock: MockClock, nursery: trio.Nursery, writer_harness: WriterHarness
) -> None:
    writer_harness.store.table.answers = trio.Event()
    await writer_harness.put(some(1, 0))
    with trio.move_on_after(10):
        await writer_harness.writer.run()
    with pytest.raises(trio.BrokenResourceError):
        await writer_harness.put(some(1, 0))
    with pytest.raises(trio.EndOfChannel):
        await writer_harness.receipts.receive()
    with pytest.raises(trio.EndOfChannel):
        await writer_harness.failures.receive()


async def test_an_outage_of_ten_minutes_costs_no_record_and_adds_no_failure(
    clock: MockClock, nursery: trio.Nursery, writer_harness: WriterHarness, journal: Journal
) -> None:
    writer_harness.store.table.reachable = False
    for hour in range(5):
        await writer_harness.put(some(30, hour * 3_600))
    writer_harness.inlet.close()

    async def mend() -> None:
        await trio.sleep(600)
        assert "refused" in journal.snapshot().unready["postgres"]
        writer_harness.store.table.reachable = True

    nursery.start_soon(mend)
    await writer_harness.writer.run()
    assert len(writer_harness.store.table.rows) == 150
    assert [failures async for failures in writer_harness.failures] == []
    assert journal.snapshot().position_writes == {
        "inserted": 150,
        "duplicate": 0,
        "discarded": 0,
        "failed": 0,
    }


@pytest.mark.usefixtures("no_small_batches")
async def test_devices_are_prepared_before_a_batch_is_written_and_only_unproven_rows_are_probed(
    clock: MockClock, writer_harness: WriterHarness
) -> None:
    [device, other] = [position(number, 0)["device_id"] for number in (1, 2)]
    writer_harness.states.restore([device], [(device, 0, 41.0, 19.0)])
    writer_harness.store.restore_failures.append(
        writer_harness.store.error("too slow", sqlstate="57014")
    )
    await writer_harness.put(batch_of([position(1, 0), position(1, 7), position(2, 0)]))
    writer_harness.inlet.close()
    await writer_harness.writer.run()
    assert writer_harness.store.probes == [1]
    assert writer_harness.states.get(other) is not None


async def test_a_lone_row_that_the_table_refuses_is_written_with_what_waits_behind_it(
    clock: MockClock, nursery: trio.Nursery, writer_harness: WriterHarness
) -> None:
    writer_harness.store.table.refused_devices[position(1, 0)["device_id"]] = "XX000"
    nursery.start_soon(writer_harness.writer.run)
    await writer_harness.put(batch_of([position(1, 0)]))
    await trio.sleep(60)
    assert len(writer_harness.store.writes) > 5
    await writer_harness.put(batch_of([position(2, 0), position(3, 0)]))
    writer_harness.inlet.close()
    failure = await writer_harness.only_failure()
    assert (failure.entry_id, failure.sqlstate) == ("1-0", "XX000")
    assert len(writer_harness.store.table.rows) == 2
    assert writer_harness.states.get(position(3, 0)["device_id"]) is not None


async def test_a_row_that_the_table_refuses_among_others_is_left_pending_without_an_attempt(
    clock: MockClock, writer_harness: WriterHarness
) -> None:
    writer_harness.store.table.rows.update(rows_of(batch_of([position(9, 0)])))
    batch = batch_of([position(1, 0), position(1, 50_000)])
    [tomorrow] = {day_of(key) for key in rows_of(batch_of([position(1, 50_000)]))}
    writer_harness.store.table.refused_days[tomorrow] = "23514"
    writer_harness.in_flight.ids.take(batch, 0)
    await writer_harness.put(batch)
    writer_harness.inlet.close()
    await writer_harness.writer.run()
    assert [failures async for failures in writer_harness.failures] == []
    assert writer_harness.in_flight.ledger.left_pending == 1
    assert list(writer_harness.in_flight.refused) == []
    assert writer_harness.in_flight.absent(["1-0", "2-0"]) == ["2-0"]


async def test_a_batch_and_its_neighbours_together_are_no_larger_than_any_other_batch(
    clock: MockClock, nursery: trio.Nursery, writer_harness: WriterHarness
) -> None:
    writer_harness.store.table.refused_devices[position(50, 0)["device_id"]] = "XX000"
    nursery.start_soon(writer_harness.writer.run)
    await writer_harness.put(batch_of([position(50, 0)]))
    await trio.sleep(60)
    for hour in range(1, 4):
        await writer_harness.put(some(ROWS_MAX, hour * 3_600))
    writer_harness.inlet.close()
    # After the others' commit there are sound rows to copy.
    await writer_harness.only_failure()
    assert len(writer_harness.store.table.rows) == 3 * ROWS_MAX
    assert max(writer_harness.write_sizes) <= ROWS_MAX


async def test_refused_rows_that_fill_a_batch_do_not_keep_out_rows_that_the_table_accepts(
    clock: MockClock, nursery: trio.Nursery, writer_harness: WriterHarness
) -> None:
    writer_harness.store.table.rows.update(rows_of(batch_of([position(9, 0)])))
    tomorrow = batch_of(position(n, 50_000 + n) for n in range(ROWS_MAX))
    writer_harness.store.table.refused_days = dict.fromkeys(map(day_of, rows_of(tomorrow)), "23514")
    nursery.start_soon(writer_harness.writer.run)
    await writer_harness.put(tomorrow)
    await trio.sleep(60)
    await writer_harness.put(some(30, 3_600))
    writer_harness.inlet.close()
    await trio.sleep(60)
    assert len(writer_harness.store.table.rows) == 1 + 30
    assert max(writer_harness.write_sizes) <= ROWS_MAX
    nursery.cancel_scope.cancel()


async def test_a_held_batch_grows_to_twice_its_size_and_no_further(
    clock: MockClock,
    nursery: trio.Nursery,
    writer_harness: WriterHarness,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("processor.writing.writer.HELD_ROWS_MIN", 1)
    writer_harness.store.table.refuses_all = "54000"
    nursery.start_soon(writer_harness.writer.run)
    for hour in range(8):
        await writer_harness.put(some(ROWS_MAX, hour * 3_600))
    writer_harness.inlet.close()
    await trio.sleep(60)
    assert writer_harness.inlet.entries == 6 * ROWS_MAX
    writer_harness.store.table.refuses_all = None
    receipts = [receipt async for receipt in writer_harness.receipts]
    assert sum(receipt.inserted for receipt in receipts) == 8 * ROWS_MAX
    assert max(writer_harness.write_sizes) <= ROWS_MAX
