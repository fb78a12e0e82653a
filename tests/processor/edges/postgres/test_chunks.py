"""Rows of many days: chunks that open during a write, and old ones that are compressed, where there is TimescaleDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import trio

from processor.edges.postgres.store import PostgresStore
from processor.errors import PostgresError
from tests.support.batches import batch_of, position
from tests.support.chunks import compress, tables_in_use

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dev.servers import Database, PostgresServer
    from telemetry._codec import Batch

DAY_S = 86_400
DAYS = 5
DEVICES = 20


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(database.processor_url, instance_id="processor-1")
    yield store
    await store.aclose()


def days(*numbers: int, devices: int = DEVICES, second: int = 0, speed: int = 63) -> Batch:
    """One row a device and day; day 0 is the last one, day 1 the one before."""
    return batch_of(
        position(device, second - day * DAY_S, speed=speed)
        for day in numbers
        for device in range(devices)
    )


def written(owner: psycopg.Connection[Any]) -> tuple[int, int]:
    """Rows in all, and rows of the first write, whose speed is 63."""
    query = "SELECT count(*), count(*) FILTER (WHERE speed = 63) FROM positions"
    all_rows, first = owner.execute(query).fetchone() or (0, 0)
    return all_rows, first


async def test_one_write_opens_the_chunks_of_all_its_days_without_owning_the_table(
    store: PostgresStore, owner: psycopg.Connection[Any], postgres_server: PostgresServer, way: str
) -> None:
    assert (await getattr(store, way)(days(*range(DAYS)))).inserted == DAYS * DEVICES
    assert tables_in_use(owner) == (DAYS if postgres_server.binaries.timescaledb else 1)
    assert written(owner) == (DAYS * DEVICES, DAYS * DEVICES)


async def test_a_direct_copy_that_finds_a_known_key_leaves_no_row_in_the_chunks_it_opened(
    store: PostgresStore, owner: psycopg.Connection[Any], postgres_server: PostgresServer
) -> None:
    await store.copy_direct(days(2))
    with pytest.raises(PostgresError) as caught:
        await store.copy_direct(days(0, 1, 2, 3))
    assert caught.value.sqlstate == "23505"
    # A chunk has indexes of its own, and their names are in its errors.
    has_chunks = postgres_server.binaries.timescaledb is not None
    assert ('"positions_device_ts"' in str(caught.value)) is not has_chunks
    assert "positions_device_ts" in str(caught.value)
    assert written(owner) == (DEVICES, DEVICES)


async def test_repeats_of_compressed_rows_are_counted_exactly_and_change_nothing(
    store: PostgresStore, owner: psycopg.Connection[Any], postgres_server: PostgresServer
) -> None:
    await store.copy_direct(days(*range(DAYS)))
    chunks = compress(owner, postgres_server)
    assert chunks == (DAYS if postgres_server.binaries.timescaledb else 0)
    assert await store.check_schema() == ()

    assert (await store.insert_new(days(*range(DAYS), speed=1))).inserted == 0
    assert written(owner) == (DAYS * DEVICES, DAYS * DEVICES)


async def test_new_rows_between_repeats_of_compressed_ones_are_all_inserted(
    store: PostgresStore, owner: psycopg.Connection[Any], postgres_server: PostgresServer
) -> None:
    await store.copy_direct(days(*range(DAYS), devices=DEVICES // 2))
    compress(owner, postgres_server)
    mixed = batch_of(
        position(device, second - day * DAY_S, speed=1)
        for day in range(DAYS)
        for device in range(DEVICES)
        for second in (-1, 0, 1)
    )
    known = DAYS * DEVICES // 2
    assert (await store.insert_new(mixed)).inserted == 3 * DAYS * DEVICES - known
    assert written(owner) == (3 * DAYS * DEVICES, known)


async def test_a_direct_copy_into_compressed_chunks_commits_new_rows_and_refuses_known_ones(
    store: PostgresStore, owner: psycopg.Connection[Any], postgres_server: PostgresServer
) -> None:
    await store.copy_direct(days(*range(DAYS)))
    compress(owner, postgres_server)
    assert (await store.copy_direct(days(*range(DAYS), second=1))).inserted == DAYS * DEVICES
    with pytest.raises(PostgresError) as caught:
        await store.copy_direct(days(*range(DAYS), second=0))
    assert caught.value.sqlstate == "23505"
    assert caught.value.connection_usable
    assert written(owner) == (2 * DAYS * DEVICES, 2 * DAYS * DEVICES)


async def test_sessions_that_open_the_same_chunks_at_once_settle_on_one_row_each(
    database: Database, owner: psycopg.Connection[Any]
) -> None:
    inserted: list[int] = []

    async def write(instance_id: str) -> None:
        store = PostgresStore(database.processor_url, instance_id=instance_id)
        inserted.extend(
            [(await store.insert_new(days(day, day + 1))).inserted for day in range(DAYS)]
        )
        await store.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write, "processor-1")
        nursery.start_soon(write, "processor-2")
    assert sum(inserted) == (DAYS + 1) * DEVICES
    assert written(owner) == (sum(inserted), sum(inserted))
