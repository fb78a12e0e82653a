"""Restoring what is kept of devices from real tables: newest positions, and a feature that comes later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from processor.edges.postgres.limits import StoreLimits
from processor.edges.postgres.store import PostgresStore
from processor.journal.journal import Journal
from processor.writing.device_states import KnownDevices, NewestPositions
from telemetry._codec import Batch, DeviceStates
from tests.support.batches import batch_of, position, rows
from tests.support.journals import new_journal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from dev.servers import Database

TIMING_RECORDS = """
    CREATE TABLE timing_records (device_id text NOT NULL, geofence_id integer NOT NULL,
                                 entered_at timestamptz NOT NULL, left_at timestamptz);
    CREATE INDEX ON timing_records (device_id, entered_at DESC);
    GRANT SELECT ON timing_records TO processor
"""
GEOFENCE_ID = 7
SOUTH_OF_LATITUDE = 41.0


class GeofenceMembership:
    """The devices within a geofence, here south of a latitude: restored from the last visit's record."""

    name = "geofence_membership"
    query = """
        SELECT device.id, visit.is_within
        FROM unnest($1::text[]) AS device (id)
        CROSS JOIN LATERAL (
            SELECT left_at IS NULL AS is_within FROM public.timing_records
            WHERE device_id = ANY (ARRAY[device.id]) AND geofence_id = 7 AND entered_at >= $2::timestamptz
            ORDER BY device_id, entered_at DESC
            LIMIT 1
        ) visit
    """

    def __init__(self) -> None:
        self._is_within: dict[str, bool] = {}
        self.entered: list[str] = []
        self.left: list[str] = []

    def cold(self, batch: Batch) -> list[str]:
        return [each for each, *_ in batch.newest_positions() if each not in self._is_within]

    def restore(self, device_ids: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
        self._is_within |= dict.fromkeys(device_ids, False)
        self._is_within |= {str(device_id): bool(is_within) for device_id, is_within in rows}

    def update(self, batch: Batch, now_ms: int) -> None:  # noqa: ARG002
        for device_id, _, latitude, _ in batch.newest_positions():
            is_within = latitude < SOUTH_OF_LATITUDE
            if is_within != self._is_within.get(device_id, False):
                (self.entered if is_within else self.left).append(device_id)
            self._is_within[device_id] = is_within

    def forget(self, device_id: str) -> None:
        self._is_within.pop(device_id, None)


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresStore]:
    limits = StoreLimits(restore_timeout_ms=300)
    store = PostgresStore(database.processor_url, instance_id="processor-1", limits=limits)
    yield store
    await store.aclose()


@pytest.fixture
def journal() -> Journal:
    return new_journal()


@pytest.fixture
def geofence() -> GeofenceMembership:
    return GeofenceMembership()


@pytest.fixture
def devices(store: PostgresStore, journal: Journal, geofence: GeofenceMembership) -> KnownDevices:
    return KnownDevices(
        store,
        NewestPositions(DeviceStates(100)),
        journal=journal,
        others=[geofence],
    )


def name_of(device: int) -> str:
    return str(position(device, 0)["device_id"])


async def test_a_device_that_was_within_a_geofence_before_the_start_leaves_it_and_does_not_enter_it_again(
    owner: psycopg.Connection[Any], devices: KnownDevices, geofence: GeofenceMembership
) -> None:
    owner.execute(TIMING_RECORDS)
    visits = [(0, 10, 11), (0, 12, None), (1, 10, None), (2, 10, 11), (3, 9, 10)]
    for device, hour, left_hour in visits:
        times = [hour and f"2026-05-01 {hour}:00Z" for hour in (hour, left_hour)]
        owner.execute(
            "INSERT INTO timing_records VALUES (%s, %s, %s, %s)",
            (name_of(device), GEOFENCE_ID, *times),
        )
    batch = batch_of(
        [
            position(0, 0, latitude=40.5),
            position(1, 0, latitude=41.5),
            position(2, 0, latitude=40.5),
            position(3, 0, latitude=41.5),
            position(4, 0, latitude=40.5),
        ]
    )
    await devices.prepare(batch)
    assert geofence.left == [name_of(1)]
    assert geofence.entered == [name_of(2), name_of(4)]


async def test_a_feature_without_its_table_costs_only_itself(
    store: PostgresStore, devices: KnownDevices, journal: Journal
) -> None:
    await store.copy_direct(rows(10))
    batch = rows(10, first_second=1)
    assert len(await devices.prepare(batch)) == 0
    assert journal.snapshot().rehydrations == {"restored": 10, "empty": 0, "failed": 10}
    assert (await store.copy_direct(batch)).inserted == 10


async def test_a_locked_table_does_not_hold_up_writing_for_longer_than_the_looks_limit(
    owner: psycopg.Connection[Any], store: PostgresStore, devices: KnownDevices, journal: Journal
) -> None:
    await store.connect()
    with owner.transaction():
        owner.execute("LOCK TABLE positions")
        assert len(await devices.prepare(rows(10))) == 10
    assert journal.snapshot().rehydrations["failed"] >= 10
    assert (await store.copy_direct(rows(10))).inserted == 10


async def test_faulty_rows_prove_nothing_and_a_newer_one_in_the_table_is_met_by_staging(
    owner: psycopg.Connection[Any], store: PostgresStore, devices: KnownDevices
) -> None:
    await store.copy_direct(batch_of([position(0, 0), position(0, 5)]))
    owner.execute("UPDATE positions SET faulty = true WHERE ts > '2026-05-01 12:00Z'")
    batch = batch_of([position(0, 0), position(0, 5), position(0, 9)])
    assert len(await devices.prepare(batch)) == 1
    assert (await store.insert_new(batch)).inserted == 1
