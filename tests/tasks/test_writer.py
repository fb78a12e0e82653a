from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from processor._codec import Batch, DeviceStates
from processor.core.batching import Batching
from processor.tasks.committing import Receipt
from processor.tasks.writer import Writer
from tests.edges.batches import batch_of, position, rows
from tests.tasks.stores import SpyStore

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.core.backoff import Backoff
    from processor.statistics import Recorder
    from processor.tasks.in_hand import InHand
    from processor.tasks.retrying import Dependency
    from tests.tasks.conftest import Told

LINGER_S = 0.005
ROWS_MAX = 100


class Bench:
    """A writer between its two channels."""

    def __init__(self, in_hand: InHand, postgres: Dependency, backoff: Backoff) -> None:
        self.store = SpyStore()
        self.inlet, outlet = trio.open_memory_channel[Batch](50)
        receipts_in, self.receipts = trio.open_memory_channel[Receipt](50)
        self.states = DeviceStates(100)
        self.in_hand = in_hand
        self.writer = Writer(
            self.store,
            outlet,
            receipts_in,
            batching=Batching(rows_max=ROWS_MAX, linger_s=LINGER_S),
            states=self.states,
            in_hand=in_hand,
            postgres=postgres,
            backoff=backoff,
        )

    def put(self, batch: Batch) -> None:
        self.in_hand.take(batch.records)
        self.inlet.send_nowait(batch)

    @property
    def write_sizes(self) -> list[int]:
        return [size for _, size in self.store.writes]


@pytest.fixture
def bench(in_hand: InHand, postgres: Dependency, backoff: Backoff) -> Bench:
    return Bench(in_hand, postgres, backoff)


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
    clock: MockClock, bench: Bench, recorder: Recorder
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
    assert recorder.snapshot().device_state_size == 1


async def test_a_refused_record_is_told_counted_and_no_longer_in_hand(
    clock: MockClock, bench: Bench, recorder: Recorder, told: Told
) -> None:
    bench.store.speed_max = 200
    bench.put(batch_of([position(1, 0), position(2, 0, speed=250), position(3, 0)]))
    recorder.read_answered(entries=3, records=3)
    bench.inlet.close()
    await bench.writer.run()
    [line] = told.fields("record refused")
    assert (line["entry_id"], line["code"], line["sqlstate"]) == (
        "2-0",
        "refused_by_server",
        "23514",
    )
    assert recorder.snapshot().position_writes["failed"] == 1
    # The other two are in hand until they are acknowledged.
    assert bench.in_hand.records == 2
    assert recorder.snapshot().in_flight_records == 2


async def test_a_cancelled_writer_closes_both_of_its_channels(
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
    assert bench.in_hand.records == 1
