from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from processor.core.attempts import Failure
from processor.core.batching import Batching
from processor.core.in_flight import InFlight
from processor.settling.failure_recorder import FailureReport
from processor.settling.receipts import Receipt, Receipts
from processor.writing.newest_positions import NewestPositions
from processor.writing.rehydration import KnownDevices
from processor.writing.writer import Writer
from telemetry._codec import Batch, DeviceStates
from tests.support.batches import batch_of, position, rows
from tests.support.fakes.rows import day_of
from tests.support.stores import SpyStore, rows_of

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.journal.journal import Journal
    from telemetry.chassis.backoff import Backoff

LINGER_S = 0.005
ROWS_MAX = 100


class Bench:
    """A writer between its two channels."""

    def __init__(self, journal: Journal, in_flight: InFlight, backoff: Backoff) -> None:
        self.store = SpyStore()
        self.turn = trio.Lock()
        self.in_flight = in_flight
        self.inlet, outlet = trio.open_memory_channel[Batch](50)
        receipts, self.receipts = trio.open_memory_channel[Receipt](50)
        failures, self.failures = trio.open_memory_channel[FailureReport](50)
        self.states = DeviceStates(100)
        self.writer = Writer(
            self.store,
            outlet,
            Receipts(receipts, self.in_flight),
            failures,
            batching=Batching(rows_max=ROWS_MAX, linger_s=LINGER_S),
            devices=KnownDevices(self.store, NewestPositions(self.states), journal=journal),
            turn=self.turn,
            journal=journal,
            backoff=backoff,
        )

    def put(self, batch: Batch) -> None:
        self.inlet.send_nowait(batch)

    async def only_failure(self) -> Failure:
        """What is sent until the writer has ended: one failure."""
        [failures] = [each async for each in self.failures]
        assert isinstance(failures, list)
        [failure] = failures
        return failure

    @property
    def write_sizes(self) -> list[int]:
        return [size for _, size in self.store.writes]


@pytest.fixture
def bench(journal: Journal, in_flight: InFlight, backoff: Backoff) -> Bench:
    return Bench(journal, in_flight, backoff)


def some(count: int, first_second: int) -> Batch:
    return rows(count, first_second=first_second)


async def test_a_free_writer_waits_for_more_no_longer_than_its_linger(
    clock: MockClock, nursery: trio.Nursery, bench: Bench
) -> None:
    nursery.start_soon(bench.writer.run)
    began = trio.current_time()
    written_at: list[float] = []
    bench.store.before_write = lambda: written_at.append(trio.current_time() - began)
    bench.put(some(1, 0))
    await trio.sleep(LINGER_S * 0.6)
    bench.put(some(1, 100))
    await trio.sleep(LINGER_S)
    bench.put(some(1, 200))
    await trio.sleep(LINGER_S * 2)
    # The first row's age decides, and what comes later waits for itself.
    assert bench.write_sizes == [2, 1]
    assert written_at == pytest.approx([LINGER_S, LINGER_S * 2.6])
    bench.inlet.close()


async def test_a_full_batch_does_not_linger(
    clock: MockClock, nursery: trio.Nursery, bench: Bench
) -> None:
    nursery.start_soon(bench.writer.run)
    began = trio.current_time()
    bench.put(some(ROWS_MAX, 0))
    assert (await bench.receipts.receive()).inserted == ROWS_MAX
    assert trio.current_time() == began
    bench.inlet.close()


async def test_under_load_batches_grow_to_their_limit_and_no_further(
    clock: MockClock, nursery: trio.Nursery, bench: Bench
) -> None:
    nursery.start_soon(bench.writer.run)
    bench.store.table.answers = trio.Event()
    bench.put(some(1, 0))
    await trio.sleep(1)
    for hour in range(1, 11):
        bench.put(some(30, hour * 3_600))
    bench.put(some(2 * ROWS_MAX + 20, 20 * 3_600))
    bench.store.table.answers.set()
    bench.inlet.close()
    await wait_all_tasks_blocked()
    assert [receipt.inserted async for receipt in bench.receipts] == bench.write_sizes
    assert bench.write_sizes[:4] == [1, 90, 90, 90]
    assert sum(bench.write_sizes) == 1 + 300 + 220
    assert max(bench.write_sizes) <= ROWS_MAX


async def test_nobody_else_has_its_turn_while_a_batch_is_under_way(
    clock: MockClock, nursery: trio.Nursery, bench: Bench
) -> None:
    nursery.start_soon(bench.writer.run)
    bench.store.table.answers = trio.Event()
    bench.put(some(1, 0))
    await trio.sleep(1)
    assert bench.turn.locked()
    bench.store.table.answers.set()
    await trio.sleep(1)
    assert not bench.turn.locked()
    bench.inlet.close()


async def test_a_closed_inlet_is_written_to_its_end_and_the_receipts_are_closed(
    clock: MockClock, bench: Bench
) -> None:
    for hour in range(5):
        bench.put(some(30, hour * 3_600))
    bench.inlet.close()
    await bench.writer.run()
    receipts = [receipt async for receipt in bench.receipts]
    assert sum(receipt.inserted for receipt in receipts) == 150
    assert len(bench.store.table.rows) == 150


async def test_device_states_are_updated_before_the_write(
    clock: MockClock, bench: Bench, journal: Journal
) -> None:
    device = position(1, 0)["device_id"]
    seen: list[int] = []

    def look() -> None:
        state = bench.states.get(device)
        assert state is not None
        seen.append(state.session_records)

    bench.store.before_write = look
    bench.put(batch_of([position(1, 0), position(1, 7)]))
    bench.inlet.close()
    await bench.writer.run()
    assert seen == [2]
    assert journal.snapshot().device_state_size == 1


async def test_refused_records_are_sent_to_be_recorded_and_their_neighbours_receipted(
    clock: MockClock, bench: Bench, journal: Journal
) -> None:
    bench.store.speed_max = 200
    bench.put(batch_of([position(1, 0), position(2, 0, speed=250), position(3, 0)]))
    bench.inlet.close()
    await bench.writer.run()
    failure = await bench.only_failure()
    assert (failure.entry_id, failure.code, failure.sqlstate) == (
        "2-0",
        "refused_by_server",
        "23514",
    )
    receipted = [each async for receipt in bench.receipts for each in receipt.batch.entry_ids]
    assert sorted(receipted) == ["1-0", "3-0"]
    assert journal.snapshot().position_writes["failed"] == 1


async def test_a_cancelled_writer_closes_all_of_its_channels(
    clock: MockClock, nursery: trio.Nursery, bench: Bench
) -> None:
    bench.store.table.answers = trio.Event()
    bench.put(some(1, 0))
    with trio.move_on_after(10):
        await bench.writer.run()
    with pytest.raises(trio.BrokenResourceError):
        bench.inlet.send_nowait(some(1, 0))
    with pytest.raises(trio.EndOfChannel):
        await bench.receipts.receive()
    with pytest.raises(trio.EndOfChannel):
        await bench.failures.receive()


async def test_an_outage_of_ten_minutes_costs_no_record_and_adds_no_failure(
    clock: MockClock, nursery: trio.Nursery, bench: Bench, journal: Journal
) -> None:
    bench.store.table.reachable = False
    for hour in range(5):
        bench.put(some(30, hour * 3_600))
    bench.inlet.close()

    async def mend() -> None:
        await trio.sleep(600)
        assert "refused" in journal.snapshot().unready["postgres"]
        bench.store.table.reachable = True

    nursery.start_soon(mend)
    await bench.writer.run()
    assert len(bench.store.table.rows) == 150
    assert [failures async for failures in bench.failures] == []
    assert journal.snapshot().position_writes == {
        "inserted": 150,
        "duplicate": 0,
        "discarded": 0,
        "failed": 0,
    }


async def test_the_devices_are_met_before_a_batch_is_written_and_tell_what_is_to_be_probed(
    clock: MockClock, bench: Bench
) -> None:
    [device, other] = [position(number, 0)["device_id"] for number in (1, 2)]
    bench.states.restore([device], [(device, 0, 41.0, 19.0)])
    bench.store.restore_failures.append(bench.store.error("too slow", sqlstate="57014"))
    bench.put(batch_of([position(1, 0), position(1, 7), position(2, 0)]))
    bench.inlet.close()
    await bench.writer.run()
    assert bench.store.probes == [1]
    assert bench.states.get(other) is not None


async def test_a_lone_row_that_the_table_refuses_is_written_with_what_waits_behind_it(
    clock: MockClock, nursery: trio.Nursery, bench: Bench
) -> None:
    bench.store.table.refused_devices[position(1, 0)["device_id"]] = "XX000"
    nursery.start_soon(bench.writer.run)
    bench.put(batch_of([position(1, 0)]))
    await trio.sleep(60)
    assert len(bench.store.writes) > 5
    bench.put(batch_of([position(2, 0), position(3, 0)]))
    bench.inlet.close()
    failure = await bench.only_failure()
    assert (failure.entry_id, failure.sqlstate) == ("1-0", "XX000")
    assert len(bench.store.table.rows) == 2
    assert bench.states.get(position(3, 0)["device_id"]) is not None


async def test_a_row_that_the_table_refuses_among_others_is_let_go_of_without_an_attempt(
    clock: MockClock, bench: Bench
) -> None:
    bench.store.table.rows.update(rows_of(batch_of([position(9, 0)])))
    batch = batch_of([position(1, 0), position(1, 50_000)])
    [tomorrow] = {day_of(key) for key in rows_of(batch_of([position(1, 50_000)]))}
    bench.store.table.refused_days[tomorrow] = "23514"
    bench.in_flight.ids.take(batch, 0)
    bench.put(batch)
    bench.inlet.close()
    await bench.writer.run()
    assert [failures async for failures in bench.failures] == []
    assert bench.in_flight.ledger.left_pending == 1
    assert list(bench.in_flight.refused) == []
    assert bench.in_flight.absent(["1-0", "2-0"]) == ["2-0"]


async def test_a_batch_and_its_neighbours_together_are_no_larger_than_any_other_batch(
    clock: MockClock, nursery: trio.Nursery, bench: Bench
) -> None:
    bench.store.table.refused_devices[position(50, 0)["device_id"]] = "XX000"
    nursery.start_soon(bench.writer.run)
    bench.put(batch_of([position(50, 0)]))
    await trio.sleep(60)
    for hour in range(1, 4):
        bench.put(some(ROWS_MAX, hour * 3_600))
    bench.inlet.close()
    # Behind the others' commit there are rows to judge it by.
    await bench.only_failure()
    assert len(bench.store.table.rows) == 3 * ROWS_MAX
    assert max(bench.write_sizes) <= ROWS_MAX


async def test_rows_that_fill_a_batch_and_are_refused_hold_up_none_that_the_table_takes(
    clock: MockClock, nursery: trio.Nursery, bench: Bench
) -> None:
    bench.store.table.rows.update(rows_of(batch_of([position(9, 0)])))
    tomorrow = batch_of(position(n, 50_000 + n) for n in range(ROWS_MAX))
    bench.store.table.refused_days = dict.fromkeys(map(day_of, rows_of(tomorrow)), "23514")
    nursery.start_soon(bench.writer.run)
    bench.put(tomorrow)
    await trio.sleep(60)
    bench.put(some(30, 3_600))
    bench.inlet.close()
    await trio.sleep(60)
    assert len(bench.store.table.rows) == 1 + 30
    assert max(bench.write_sizes) <= ROWS_MAX
    nursery.cancel_scope.cancel()


async def test_a_held_batch_grows_to_twice_its_size_and_no_further(
    clock: MockClock, nursery: trio.Nursery, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processor.writing.writer.HELD_ROWS_MIN", 1)
    bench.store.table.refuses_all = "54000"
    nursery.start_soon(bench.writer.run)
    for hour in range(8):
        bench.put(some(ROWS_MAX, hour * 3_600))
    bench.inlet.close()
    await trio.sleep(60)
    assert bench.inlet.statistics().current_buffer_used == 6
    bench.store.table.refuses_all = None
    receipts = [receipt async for receipt in bench.receipts]
    assert sum(receipt.inserted for receipt in receipts) == 8 * ROWS_MAX
    assert max(bench.write_sizes) <= ROWS_MAX
