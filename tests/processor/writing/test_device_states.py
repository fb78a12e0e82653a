from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import trio

from processor.writing import device_states
from processor.writing.device_states import (
    NEWEST_POSITIONS,
    PAUSE_S,
    KnownDevices,
    NewestPositions,
    Rehydrated,
)
from telemetry._codec import Batch, DeviceStates
from telemetry.chassis import clocks
from tests.support.batches import NOON, batch_of, position, rows
from tests.support.fakes.store import FakeStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio.testing import MockClock

    from processor.journal.journal import Journal
    from tests.processor.conftest import LogLines

DAY_S = 86_400


class AskedStore(FakeStore):
    """A FakeStore that records its restore queries: the query, how many devices, since when."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, int, datetime | None]] = []

    async def restore(
        self, query: str, device_ids: Sequence[str], since: datetime | None
    ) -> list[tuple[object, ...]]:
        self.asked.append((query, len(device_ids), since))
        return await super().restore(query, device_ids, since)


class DevicesHarness:
    """The devices of one writer, at noon."""

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
    def queries(self) -> list[tuple[int, datetime | None]]:
        return [(devices, since) for _, devices, since in self.store.asked]

    async def prepare(self, batch: Batch) -> int:
        """Prepare a batch as a writer does. Returns how many keys it would have to probe."""
        return len(await self.devices.prepare(batch))

    def fail_next(self, failures: int = 1) -> None:
        self.store.restore_failures = deque(
            self.store.error("too slow", sqlstate="57014") for _ in range(failures)
        )


class Doors:
    """An accumulator as a later feature may declare it, restored from a table of its own."""

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

    def forget(self, device_id: str) -> None:
        self.is_open.pop(device_id, None)


NOON_MS = round(NOON.timestamp() * 1000)


@pytest.fixture(autouse=True)
def it_is_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "unix_ms", lambda: NOON_MS)


@pytest.fixture
def known_devices(journal: Journal) -> DevicesHarness:
    return DevicesHarness(journal)


def counts(journal: Journal) -> tuple[int, int, int]:
    """Devices restored, found empty, and failed."""
    found = journal.snapshot().rehydrations
    return found["restored"], found["empty"], found["failed"]


async def test_what_is_newer_than_the_newest_row_needs_no_probe(
    known_devices: DevicesHarness,
) -> None:
    await known_devices.store.copy_direct(rows(20))
    assert await known_devices.prepare(rows(40, first_second=1)) == 10


async def test_a_position_is_restored_before_the_batch_is_taken_in(
    known_devices: DevicesHarness,
) -> None:
    await known_devices.store.copy_direct(batch_of([position(0, 5, latitude=7)]))
    await known_devices.prepare(batch_of([position(0, 1, latitude=1)]))
    state = known_devices.states.get(position(0, 0)["device_id"])
    assert state is not None
    assert state.latitude == 7


async def test_all_cold_devices_are_asked_for_at_once_and_those_not_found_again_without_a_bound(
    known_devices: DevicesHarness,
) -> None:
    recent = [position(device, 0) for device in range(3)]
    await known_devices.store.copy_direct(batch_of([*recent, position(3, -9 * DAY_S)]))
    await known_devices.prepare(batch_of(position(device, 60) for device in range(5)))
    assert known_devices.queries == [(5, NOON - timedelta(days=7)), (2, None)]


async def test_the_answer_is_remembered_of_devices_without_rows_too(
    known_devices: DevicesHarness, journal: Journal
) -> None:
    await known_devices.store.copy_direct(rows(3, devices=3))
    assert await known_devices.prepare(rows(10, first_second=1)) == 0
    assert await known_devices.prepare(rows(10, first_second=2)) == 0
    assert len(known_devices.queries) == 2
    assert counts(journal) == (3, 7, 0)


async def test_a_batch_of_known_devices_asks_nothing(known_devices: DevicesHarness) -> None:
    await known_devices.prepare(rows(10))
    known_devices.store.asked.clear()
    await known_devices.prepare(rows(10))
    assert known_devices.queries == []


async def test_a_failure_leaves_devices_cold_and_is_counted_and_logged(
    known_devices: DevicesHarness, journal: Journal, logged: LogLines
) -> None:
    known_devices.fail_next()
    assert await known_devices.prepare(rows(10)) == 10
    assert len(known_devices.states.cold(rows(10))) == 10
    assert counts(journal) == (0, 0, 10)
    [line] = logged.fields("rehydration failed")
    assert (line["devices"], line["sqlstate"]) == (10, "57014")


async def test_after_a_failure_devices_are_asked_for_again_but_not_on_every_batch(
    clock: MockClock, known_devices: DevicesHarness, journal: Journal
) -> None:
    await known_devices.store.copy_direct(rows(10))
    known_devices.fail_next()
    await known_devices.prepare(rows(10, first_second=1))
    await trio.sleep(PAUSE_S - 0.001)
    assert await known_devices.prepare(rows(10, first_second=2)) == 10
    assert len(known_devices.queries) == 1
    await trio.sleep(0.001)
    assert await known_devices.prepare(rows(10, first_second=3)) == 0
    assert counts(journal) == (10, 0, 10)


async def test_devices_found_by_the_first_query_stay_restored_when_the_second_fails(
    known_devices: DevicesHarness, journal: Journal
) -> None:
    await known_devices.store.copy_direct(batch_of(position(device, 0) for device in range(3)))

    class Impatient(AskedStore):
        async def restore(
            self, query: str, device_ids: Sequence[str], since: datetime | None
        ) -> list[tuple[object, ...]]:
            if since is None:
                raise self.error("too slow", sqlstate="57014")
            return await super().restore(query, device_ids, since)

    known_devices.store.__class__ = Impatient
    batch = batch_of(position(device, 60) for device in range(5))
    assert await known_devices.prepare(batch) == 2
    assert counts(journal) == (3, 0, 2)


async def test_a_cancelled_query_leaves_devices_cold_and_the_next_one_restores_them(
    clock: MockClock, known_devices: DevicesHarness, journal: Journal
) -> None:
    known_devices.store.table.answers = trio.Event()
    with trio.move_on_after(1) as scope:
        await known_devices.prepare(rows(10))
    assert scope.cancelled_caught
    assert len(known_devices.states.cold(rows(10))) == 10
    known_devices.store.table.answers.set()
    await known_devices.prepare(rows(10))
    assert counts(journal) == (0, 10, 0)


async def test_devices_beyond_the_limit_of_one_query_are_restored_by_later_batches(
    known_devices: DevicesHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_states, "RECENT_DEVICES_MAX", 8)
    monkeypatch.setattr(device_states, "EVER_DEVICES_MAX", 3)
    await known_devices.store.copy_direct(batch_of(position(device, 0) for device in range(4)))
    batch = batch_of(position(device, 60) for device in range(10))
    cold = []
    for _ in range(3):
        await known_devices.prepare(batch)
        cold.append(len(known_devices.states.cold(batch)))
    assert cold == [3, 0, 0]
    assert [devices for devices, _ in known_devices.queries] == [8, 3, 3, 3]


async def test_the_devices_in_memory_are_reported(
    known_devices: DevicesHarness, journal: Journal
) -> None:
    await known_devices.prepare(rows(10))
    assert journal.snapshot().device_state_size == 10


async def test_another_accumulator_is_restored_by_its_own_query_and_updated_with_every_batch(
    journal: Journal,
) -> None:
    doors = Doors()
    known_devices = DevicesHarness(journal, doors)
    known = position(0, 0)["device_id"]
    known_devices.store.table.found_by[Doors.query] = {known: (known, True)}
    await known_devices.prepare(rows(2))
    await known_devices.prepare(rows(2))
    assert doors.is_open == {known: True, position(1, 0)["device_id"]: None}
    assert doors.updated == [(2, NOON_MS), (2, NOON_MS)]
    assert [query for query, *_ in known_devices.store.asked].count(Doors.query) == 2


async def test_an_accumulator_that_cannot_be_restored_holds_up_no_other(journal: Journal) -> None:
    doors = Doors()
    known_devices = DevicesHarness(journal, doors)
    known_devices.fail_next()
    assert await known_devices.prepare(rows(10)) == 10
    assert len(doors.is_open) == 10
    assert NEWEST_POSITIONS in [query for query, *_ in known_devices.store.asked]
    assert counts(journal) == (0, 10, 10)


async def test_a_device_is_forgotten_and_restored_without_its_faulty_row(
    known_devices: DevicesHarness, journal: Journal
) -> None:
    await known_devices.store.copy_direct(batch_of([position(0, 5), position(0, 9)]))
    await known_devices.prepare(batch_of([position(0, 9), position(1, 0)]))
    device_id = position(0, 0)["device_id"]
    newest = known_devices.states.get(device_id)
    table = known_devices.store.table
    table.faulty.add(max(table.rows))
    assert await known_devices.devices.rehydrate(device_id) is Rehydrated.RESTORED
    restored = known_devices.states.get(device_id)
    assert newest is not None
    assert restored is not None
    assert restored.newest_ts_us == newest.newest_ts_us - 4_000_000
    assert (restored.last_seen_ms, restored.session_records) == (0, 0)
    assert known_devices.states.get(position(1, 0)["device_id"]) is not None
    assert counts(journal) == (2, 1, 0)


async def test_a_device_without_a_row_is_restored_as_empty(
    known_devices: DevicesHarness, journal: Journal
) -> None:
    device_id = position(0, 0)["device_id"]
    await known_devices.prepare(batch_of([position(0, 0)]))
    assert await known_devices.devices.rehydrate(device_id) is Rehydrated.EMPTY
    assert known_devices.states.get(device_id) is None
    assert known_devices.states.cold(batch_of([position(0, 1)])) == []
    assert counts(journal) == (0, 2, 0)


async def test_a_table_that_cannot_be_read_leaves_the_device_forgotten_and_cold(
    clock: MockClock, known_devices: DevicesHarness, journal: Journal
) -> None:
    device_id = position(0, 0)["device_id"]
    await known_devices.prepare(batch_of([position(0, 0)]))
    known_devices.fail_next()
    assert await known_devices.devices.rehydrate(device_id) is Rehydrated.FAILED
    assert known_devices.states.cold(batch_of([position(0, 1)])) == [device_id]
    # Who asks again need not wait until the pause after a failure is over.
    assert await known_devices.devices.rehydrate(device_id) is Rehydrated.EMPTY
    assert counts(journal) == (0, 2, 1)


async def test_of_several_accumulators_the_one_that_failed_counts(journal: Journal) -> None:
    doors = Doors()
    known_devices = DevicesHarness(journal, doors)
    device_id = position(0, 0)["device_id"]
    await known_devices.store.copy_direct(batch_of([position(0, 0)]))
    known_devices.store.table.found_by[Doors.query] = {}
    assert await known_devices.devices.rehydrate(device_id) is Rehydrated.RESTORED
    assert doors.is_open == {device_id: None}
    known_devices.fail_next()
    assert await known_devices.devices.rehydrate(device_id) is Rehydrated.FAILED
