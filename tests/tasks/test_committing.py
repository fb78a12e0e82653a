from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import trio

from processor.tasks.committing import Committing, Receipt, Refusal
from tests.edges.batches import batch_of, position, rows
from tests.tasks.stores import SpyStore, keys_of

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor._codec import Batch
    from processor.core.backoff import Backoff
    from processor.edges.fakes.store import FakeStore
    from processor.statistics import Recorder
    from processor.tasks.retrying import Dependency
    from tests.tasks.conftest import Told


# Virtual seconds: beyond them it will never end.
LIFE_S_MAX = 3_600


class Desk:
    """Commits batches and keeps their receipts."""

    def __init__(self, postgres: Dependency, backoff: Backoff) -> None:
        self.store = SpyStore()
        self.receipts: list[Receipt] = []
        self._postgres = postgres
        self._backoff = backoff

    async def commit(self, batch: Batch) -> list[Refusal]:
        committing = Committing(
            self.store, batch, self._emit, postgres=self._postgres, backoff=self._backoff
        )
        with trio.fail_after(LIFE_S_MAX):
            return await committing.run()

    async def _emit(self, receipt: Receipt) -> None:
        await trio.lowlevel.checkpoint()
        self.receipts.append(receipt)

    @property
    def receipted_ids(self) -> list[str]:
        return sorted(each for receipt in self.receipts for each in receipt.batch.entry_ids)


@pytest.fixture
def desk(postgres: Dependency, backoff: Backoff) -> Desk:
    return Desk(postgres, backoff)


def refused_ids(refusals: list[Refusal]) -> list[str]:
    return sorted(each for refusal in refusals for each in refusal.record.entry_ids)


def lost(store: FakeStore, sqlstate: str | None = None) -> None:
    """The next write loses its connection."""
    store.failures.append(store.error("connection lost", sqlstate=sqlstate, usable=False))


async def test_a_committed_batch_gives_one_receipt(
    clock: MockClock, desk: Desk, recorder: Recorder
) -> None:
    batch = batch_of([position(1, 0), position(1, 0), position(2, 0)])
    assert await desk.commit(batch) == []
    [receipt] = desk.receipts
    assert (receipt.inserted, receipt.duplicates) == (2, 1)
    assert desk.receipted_ids == ["1-0", "2-0", "3-0"]
    counted = recorder.snapshot().position_writes
    assert counted == {"inserted": 2, "duplicate": 1, "failed": 0}


async def test_what_fails_for_the_worlds_reasons_is_written_again_whole_with_growing_pauses(
    clock: MockClock, desk: Desk, recorder: Recorder, told: Told
) -> None:
    for sqlstate in (None, "57P01", "40P01", "53300", "42501"):
        lost(desk.store, sqlstate)
    seen: list[bool] = []
    desk.store.before_write = lambda: seen.append(
        recorder.snapshot().dependencies["postgres"].ready
    )
    began = trio.current_time()
    assert await desk.commit(rows(20)) == []
    assert desk.store.writes == [("direct", 20)] * 6
    assert seen == [False] * 6
    assert recorder.snapshot().dependencies["postgres"].ready
    assert recorder.snapshot().position_writes == {"inserted": 20, "duplicate": 0, "failed": 0}
    assert 0 < trio.current_time() - began <= 0.1 + 0.2 + 0.4 + 0.8 + 1.6
    retried = told.fields("batch failed and is written again")
    assert [line["attempt"] for line in retried] == [1, 2, 3, 4, 5]
    assert [line["sqlstate"] for line in retried] == [None, "57P01", "40P01", "53300", "42501"]
    assert all(line["retry_ms"] <= 100 << n for n, line in enumerate(retried))


async def test_a_lost_race_is_staged_at_once(
    clock: MockClock, desk: Desk, recorder: Recorder
) -> None:
    await desk.commit(rows(10))
    began = trio.current_time()
    await desk.commit(rows(15))
    assert desk.store.writes == [("direct", 10), ("direct", 15), ("staged", 15)]
    assert trio.current_time() == began
    assert recorder.snapshot().position_writes == {"inserted": 15, "duplicate": 10, "failed": 0}
    assert recorder.snapshot().dependencies["postgres"].ready


async def test_a_commit_whose_answer_was_lost_is_found_by_the_second_try(
    clock: MockClock, desk: Desk
) -> None:
    batch = rows(5)
    await desk.store.copy_direct(batch)
    await desk.commit(batch)
    assert [(each.inserted, each.duplicates) for each in desk.receipts] == [(0, 5)]


@pytest.mark.parametrize("bad", [{0}, {63}, {17}, {0, 1, 2, 40}, set(range(0, 64, 2))])
async def test_refused_rows_stand_alone_in_the_end_and_their_neighbours_are_committed(
    clock: MockClock, desk: Desk, bad: set[int]
) -> None:
    desk.store.speed_max = 200
    batch = batch_of(position(n, 0, speed=250 if n in bad else 50) for n in range(64))
    refusals = await desk.commit(batch)
    assert refused_ids(refusals) == sorted(f"{n + 1}-0" for n in bad)
    assert desk.receipted_ids == sorted(f"{n + 1}-0" for n in range(64) if n not in bad)
    assert {refusal.error.sqlstate for refusal in refusals} == {"23514"}


async def test_the_repeat_of_a_refused_row_takes_its_place(clock: MockClock, desk: Desk) -> None:
    desk.store.speed_max = 200
    batch = batch_of(
        [position(1, 0, speed=250), position(1, 0, speed=60), position(1, 0, speed=70)]
    )
    assert refused_ids(await desk.commit(batch)) == ["1-0"]
    [receipt] = desk.receipts
    assert (receipt.inserted, receipt.duplicates) == (1, 1)
    assert desk.receipted_ids == ["2-0", "3-0"]


async def test_an_undecided_failure_is_the_records_when_a_neighbour_commits(
    clock: MockClock, desk: Desk
) -> None:
    # The first row, so that nothing has been committed when it first stands alone.
    desk.store.table.refused_devices[position(0, 0)["device_id"]] = "XX000"
    refusals = await desk.commit(rows(8, devices=8))
    assert refused_ids(refusals) == ["1-0"]
    assert len(desk.receipted_ids) == 7


async def test_an_undecided_failure_of_everything_is_the_worlds(
    clock: MockClock, desk: Desk, told: Told
) -> None:
    devices = [position(n, 0)["device_id"] for n in range(3)]
    desk.store.table.refused_devices = dict.fromkeys(devices, "XX000")

    def mend() -> None:
        if len(told.lines("batch failed")) == 5:
            desk.store.table.refused_devices.clear()

    desk.store.before_write = mend
    assert await desk.commit(rows(6, devices=3)) == []
    assert len(desk.receipted_ids) == 6


async def test_a_batch_refused_whole_counts_once_the_schema_check_has_passed(
    clock: MockClock, desk: Desk
) -> None:
    desk.store.speed_max = 0
    assert len(await desk.commit(rows(5))) == 5
    assert desk.receipts == []
    # After the first refusal, and after the last.
    assert desk.store.checks == 2


async def test_a_batch_refused_whole_by_another_schema_stays_in_hand(
    clock: MockClock, desk: Desk, recorder: Recorder, told: Told
) -> None:
    desk.store.speed_max = 0
    desk.store.table.differences = ("column tenant is NOT NULL",)

    def mend() -> None:
        if len(told.lines("batch failed")) == 3:
            desk.store.speed_max = 1_000
            desk.store.table.differences = ()

    desk.store.before_write = mend
    assert await desk.commit(rows(100)) == []
    assert len(desk.receipted_ids) == 100
    assert told.fields("batch failed")[0]["error"].endswith("column tenant is NOT NULL")
    assert recorder.snapshot().position_writes == {"inserted": 100, "duplicate": 0, "failed": 0}
    # A few writes a try: the first refusal is enough to look at the schema.
    assert len(desk.store.writes) < 3 * 10 + 2


async def test_rows_refused_before_the_owner_mended_the_schema_are_committed_with_the_rest(
    clock: MockClock,
    desk: Desk,
) -> None:
    desk.store.speed_max = 0

    def mend() -> None:
        # Down the left side to the first row alone, and on to the second.
        if len(desk.store.writes) == 7:
            desk.store.speed_max = 1_000

    desk.store.before_write = mend
    assert await desk.commit(rows(16)) == []
    assert len(desk.receipted_ids) == 16


async def test_a_schema_check_that_cannot_be_made_decides_nothing(
    clock: MockClock, desk: Desk, told: Told
) -> None:
    desk.store.speed_max = 0
    check = desk.store.check_schema

    async def away() -> tuple[str, ...]:
        desk.store.check_schema = check  # type: ignore[method-assign]
        desk.store.speed_max = 1_000
        raise desk.store.error("connection lost", usable=False)

    desk.store.check_schema = away  # type: ignore[method-assign]
    assert await desk.commit(rows(4)) == []
    assert len(desk.receipted_ids) == 4
    assert len(told.lines("batch failed")) == 1


async def test_a_cancelled_batch_has_receipts_for_what_was_committed_alone(
    clock: MockClock, desk: Desk
) -> None:
    desk.store.speed_max = 200
    batch = batch_of(position(n, 0, speed=250 if n == 4 else 50) for n in range(8))
    with trio.CancelScope() as scope:

        def cut() -> None:
            if desk.receipts:
                desk.store.table.answers = trio.Event()
                scope.cancel()

        desk.store.before_write = cut
        await desk.commit(batch)
    assert scope.cancelled_caught
    assert {key for each in desk.receipts for key in keys_of(each.batch)} == set(
        desk.store.table.rows
    )
    assert 0 < len(desk.receipted_ids) < 7


@pytest.mark.parametrize("seed", range(20))
async def test_each_record_ends_in_one_receipt_or_one_refusal_whatever_happens(
    clock: MockClock, desk: Desk, seed: int
) -> None:
    chance = random.Random(seed)
    desk.store.speed_max = 200
    positions = [
        position(chance.randrange(12), chance.randrange(4), speed=chance.choice([50, 60, 250]))
        for _ in range(60)
    ]
    await desk.store.copy_staged(batch_of(p for p in positions[::7] if p["speed"] < 200))

    def stumble() -> None:
        if chance.random() < 0.2:
            lost(desk.store, chance.choice([None, "57P01", "40001"]))

    desk.store.before_write = stumble
    refusals = await desk.commit(batch_of(positions))
    everything = desk.receipted_ids + refused_ids(refusals)
    assert sorted(everything) == sorted(f"{n}-0" for n in range(1, 61))
    assert all(refusal.record.records == 1 for refusal in refusals)
    assert {key for each in desk.receipts for key in keys_of(each.batch)} <= set(
        desk.store.table.rows
    )
