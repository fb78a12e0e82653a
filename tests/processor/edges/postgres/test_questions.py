"""Probing and restoring on a real PostgreSQL: how it answers, and how long we wait."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import trio

from processor.edges.postgres.limits import StoreLimits
from processor.edges.postgres.store import PostgresStore
from processor.errors import PostgresError
from processor.writing.device_states import NEWEST_POSITIONS
from telemetry._codec import DeviceStates
from tests.support.batches import NOON, position, rows
from tests.support.query_plans import plan_of, scans_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dev.servers import Database

DAYS = 8
DEVICES = 20
# A device, and times of day.
FILL = f"""
    INSERT INTO positions (device_id, ts, latitude, longitude, altitude, angle, speed, satellites,
                           priority, codec, attributes)
    SELECT (356307042441000 + device)::text, timestamptz '2026-05-01 12:00Z'
           - day * interval '1 day' + second * interval '1 s', 41, 19, 0, 0, 0, 0, 0, '8', '{{}}'
    FROM generate_series(0, {DEVICES - 1}) device, generate_series(0, {DAYS - 1}) day,
         generate_series(0, 99) second
"""
IMPATIENT = StoreLimits(write_timeout_ms=300, restore_timeout_ms=100)


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(database.processor_url, instance_id="processor-1", limits=IMPATIENT)
    yield store
    await store.aclose()


@pytest.fixture
def filled(owner: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """The owner's session; the table has many rows, of several days, and fresh statistics."""
    owner.execute(FILL.encode())
    owner.execute("VACUUM ANALYZE positions")
    return owner


@pytest.mark.usefixtures("filled")
async def test_restoring_reads_the_newest_rows_by_an_index_of_the_device(
    store: PostgresStore,
) -> None:
    device_ids = [position(device, 0)["device_id"] for device in range(DEVICES)]
    for since in (NOON - timedelta(days=2), "-infinity"):
        plan = await plan_of(store, NEWEST_POSITIONS, (device_ids, since))
        conditions = [node.get("Index Cond", "") for node in scans_of(plan)]
        assert conditions
        assert all("(device_id = ANY (ARRAY[device.id]))" in each for each in conditions)


async def test_a_timestamp_that_is_no_point_in_time_is_no_newest_position(
    store: PostgresStore, owner: psycopg.Connection[Any]
) -> None:
    await store.copy_direct(rows(1))
    owner.execute(
        "INSERT INTO positions SELECT device_id, 'infinity', ingested_at, latitude, longitude,"
        " altitude, angle, speed, satellites, priority, codec, attributes, faulty FROM positions"
    )
    noon_us = int(NOON.timestamp()) * 1_000_000
    device_id = position(0, 0)["device_id"]
    assert await store.restore(NEWEST_POSITIONS, [device_id], None) == [
        (device_id, noon_us, 41.3275, 19.8187)
    ]


async def ask(store: PostgresStore, question: str) -> object:
    if question == "probe":
        return (await store.probe(DeviceStates(1).unproven(rows(1)))).known
    return await store.restore(NEWEST_POSITIONS, ["1"], None)


@pytest.mark.parametrize(("question", "limit_ms"), [("probe", 300), ("restore", 100)])
async def test_a_question_that_takes_too_long_is_given_up_and_the_session_stays(
    store: PostgresStore, owner: psycopg.Connection[Any], question: str, limit_ms: int
) -> None:
    await store.connect()
    with owner.transaction():
        owner.execute("LOCK TABLE positions")
        with pytest.raises(PostgresError, match=f"no answer within {limit_ms} ms") as caught:
            await ask(store, question)
    assert caught.value.sqlstate == "57014"
    assert caught.value.connection_usable
    assert await ask(store, question) in (b"", [])


@pytest.mark.parametrize("question", ["probe", "restore"])
async def test_a_question_that_is_cancelled_leaves_the_session_usable(
    store: PostgresStore, owner: psycopg.Connection[Any], question: str
) -> None:
    await store.connect()
    session = store._session.connection
    with owner.transaction():
        owner.execute("LOCK TABLE positions")
        with trio.move_on_after(0.02) as scope:
            await ask(store, question)
    assert scope.cancelled_caught
    assert await ask(store, question) in (b"", [])
    assert store._session.connection is session


async def test_a_refused_question_has_its_sqlstate(
    store: PostgresStore, owner: psycopg.Connection[Any]
) -> None:
    owner.execute("REVOKE SELECT ON positions FROM processor")
    for question in ("probe", "restore"):
        with pytest.raises(PostgresError) as caught:
            await ask(store, question)
        assert caught.value.sqlstate == "42501"
        assert caught.value.connection_usable
