from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import trio

from processor.writing import rehydration
from processor.writing.newest_positions import NEWEST_POSITIONS, NewestPositions
from processor.writing.rehydration import PAUSE_S, KnownDevices
from telemetry._codec import Batch, DeviceStates
from telemetry.chassis import clocks
from tests.support.batches import NOON, batch_of, position, rows
from tests.support.fakes.store import FakeStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio.testing import MockClock

    from processor.journal.journal import Journal
    from tests.processor.conftest import Told

DAY_S = 86_400


class AskedStore(FakeStore):
    """A FakeStore that remembers what it was asked: the query, how many devices, since when."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, int, datetime | None]] = []

    async def restore(
        self, query: str, device_ids: Sequence[str], since: datetime | None
    ) -> list[tuple[object, ...]]:
        self.asked.append((query, len(device_ids), since))
        return await super().restore(query, device_ids, since)


class Bench:
    """A writer's devices, at the noon of most positions."""

    def __init__(self, journal: Journal, *others: Doors) -> None:
        self.store = AskedStore()
        self.states = DeviceStates(10_000)
        self.devices = KnownDevices(
            self.store,
            NewestPositions(self.states),
            journal=journal,
            others=others,
        )

    @property
    def looks(self) -> list[tuple[int, datetime | None]]:
        return [(devices, since) for _, devices, since in self.store.asked]

    async def take_in(self, batch: Batch) -> int:
        """What a writer does before it writes; how many keys it would have to probe."""
        return len(await self.devices.prepare(batch))

    def fail_next(self, failures: int = 1) -> None:
        self.store.restore_failures = deque(
            self.store.error("too slow", sqlstate="57014") for _ in range(failures)
        )


class Doors:
    """An accumulator of a later feature: what the last row of its own table says, until a batch comes."""

    name = "doors"
    query = "SELECT device_id, is_open FROM doors"

    def __init__(self) -> None:
        self.is_open: dict[str, bool | None] = {}
        self.updated: list[tuple[int, int]] = []

    def cold(self, batch: Batch) -> list[str]:
        return [device for device, *_ in batch.newest_positions() if device not in self.is_open]

    def restore(self, device_ids: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
        found = {row[0]: bool(row[1]) for row in rows}
        self.is_open |= {device_id: found.get(device_id) for device_id in device_ids}

    def update(self, batch: Batch, now_ms: int) -> None:
        self.updated.append((batch.rows, now_ms))


NOON_MS = round(NOON.timestamp() * 1000)


@pytest.fixture(autouse=True)
def it_is_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "unix_ms", lambda: NOON_MS)


@pytest.fixture
def bench(journal: Journal) -> Bench:
    return Bench(journal)


def counts(journal: Journal) -> tuple[int, int, int]:
    """KnownDevices restored, empty, failed."""
    found = journal.snapshot().rehydrations
    return found["restored"], found["empty"], found["failed"]


async def test_what_is_newer_than_the_newest_row_needs_no_probe(bench: Bench) -> None:
    await bench.store.copy_direct(rows(20))
    assert await bench.take_in(rows(40, first_second=1)) == 10


async def test_a_position_is_restored_before_the_batch_is_taken_in(bench: Bench) -> None:
    await bench.store.copy_direct(batch_of([position(0, 5, latitude=7)]))
    await bench.take_in(batch_of([position(0, 1, latitude=1)]))
    state = bench.states.get(position(0, 0)["device_id"])
    assert state is not None
    assert state.latitude == 7


async def test_all_cold_devices_are_asked_for_at_once_and_those_not_found_again_without_a_bound(
    bench: Bench,
) -> None:
    recent = [position(device, 0) for device in range(3)]
    await bench.store.copy_direct(batch_of([*recent, position(3, -9 * DAY_S)]))
    await bench.take_in(batch_of(position(device, 60) for device in range(5)))
    assert bench.looks == [(5, NOON - timedelta(days=7)), (2, None)]


async def test_the_answer_is_remembered_of_devices_without_rows_too(
    bench: Bench, journal: Journal
) -> None:
    await bench.store.copy_direct(rows(3, devices=3))
    assert await bench.take_in(rows(10, first_second=1)) == 0
    assert await bench.take_in(rows(10, first_second=2)) == 0
    assert len(bench.looks) == 2
    assert counts(journal) == (3, 7, 0)


async def test_a_batch_of_known_devices_asks_nothing(bench: Bench) -> None:
    await bench.take_in(rows(10))
    bench.store.asked.clear()
    await bench.take_in(rows(10))
    assert bench.looks == []


async def test_a_failure_leaves_devices_cold_and_is_counted_and_told(
    bench: Bench, journal: Journal, told: Told
) -> None:
    bench.fail_next()
    assert await bench.take_in(rows(10)) == 10
    assert len(bench.states.cold(rows(10))) == 10
    assert counts(journal) == (0, 0, 10)
    [line] = told.fields("rehydration failed")
    assert (line["devices"], line["sqlstate"]) == (10, "57014")


async def test_after_a_failure_devices_are_asked_for_again_but_not_on_every_batch(
    clock: MockClock, bench: Bench, journal: Journal
) -> None:
    await bench.store.copy_direct(rows(10))
    bench.fail_next()
    await bench.take_in(rows(10, first_second=1))
    await trio.sleep(PAUSE_S - 0.001)
    assert await bench.take_in(rows(10, first_second=2)) == 10
    assert len(bench.looks) == 1
    await trio.sleep(0.001)
    assert await bench.take_in(rows(10, first_second=3)) == 0
    assert counts(journal) == (10, 0, 10)


async def test_what_the_first_look_found_stays_when_the_second_fails(
    bench: Bench, journal: Journal
) -> None:
    await bench.store.copy_direct(batch_of(position(device, 0) for device in range(3)))

    class Impatient(AskedStore):
        async def restore(
            self, query: str, device_ids: Sequence[str], since: datetime | None
        ) -> list[tuple[object, ...]]:
            if since is None:
                raise self.error("too slow", sqlstate="57014")
            return await super().restore(query, device_ids, since)

    bench.store.__class__ = Impatient
    batch = batch_of(position(device, 60) for device in range(5))
    assert await bench.take_in(batch) == 2
    assert counts(journal) == (3, 0, 2)


async def test_a_cancelled_look_leaves_devices_cold_and_the_next_one_warms_them(
    clock: MockClock, bench: Bench, journal: Journal
) -> None:
    bench.store.table.answers = trio.Event()
    with trio.move_on_after(1) as scope:
        await bench.take_in(rows(10))
    assert scope.cancelled_caught
    assert len(bench.states.cold(rows(10))) == 10
    bench.store.table.answers.set()
    await bench.take_in(rows(10))
    assert counts(journal) == (0, 10, 0)


async def test_more_devices_than_one_look_takes_are_restored_by_later_batches(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehydration, "RECENT_DEVICES_MAX", 8)
    monkeypatch.setattr(rehydration, "EVER_DEVICES_MAX", 3)
    await bench.store.copy_direct(batch_of(position(device, 0) for device in range(4)))
    batch = batch_of(position(device, 60) for device in range(10))
    cold = []
    for _ in range(3):
        await bench.take_in(batch)
        cold.append(len(bench.states.cold(batch)))
    assert cold == [3, 0, 0]
    assert [devices for devices, _ in bench.looks] == [8, 3, 3, 3]


async def test_the_devices_in_memory_are_reported(bench: Bench, journal: Journal) -> None:
    await bench.take_in(rows(10))
    assert journal.snapshot().device_state_size == 10


async def test_another_accumulator_is_restored_by_its_own_query_and_updated_with_every_batch(
    journal: Journal,
) -> None:
    doors = Doors()
    bench = Bench(journal, doors)
    known = position(0, 0)["device_id"]
    bench.store.table.found_by[Doors.query] = {known: (known, True)}
    await bench.take_in(rows(2))
    await bench.take_in(rows(2))
    assert doors.is_open == {known: True, position(1, 0)["device_id"]: None}
    assert doors.updated == [(2, NOON_MS), (2, NOON_MS)]
    assert [query for query, *_ in bench.store.asked].count(Doors.query) == 2


async def test_an_accumulator_that_cannot_be_restored_holds_up_no_other(journal: Journal) -> None:
    doors = Doors()
    bench = Bench(journal, doors)
    bench.fail_next()
    assert await bench.take_in(rows(10)) == 10
    assert len(doors.is_open) == 10
    assert NEWEST_POSITIONS in [query for query, *_ in bench.store.asked]
    assert counts(journal) == (0, 10, 10)
