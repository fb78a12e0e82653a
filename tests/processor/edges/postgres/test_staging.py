"""What staged and direct writes leave behind on a real server: locks, catalog rows, transactions."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import trio

from processor.edges.postgres.limits import StoreLimits
from processor.edges.postgres.store import PostgresStore
from processor.errors import PostgresError
from processor.writing.device_states import NEWEST_POSITIONS
from tests.support.batches import batch_of, position, rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from dev.servers import Database
    from telemetry._codec import Batch

DEVICES = 200
# TimescaleDB's compressor at work has held up one batch for so long.
COMPRESSOR_STALL_MS = 5_100
# PostgreSQL documentation, "COPY", "Binary Format": signature, flags, length of the extension; trailer.
HEADER_BYTES, TRAILER = 19, b"\xff\xff"
STATE = """
    SELECT state FROM pg_stat_activity
    WHERE usename = 'processor' AND datname = current_database()
"""
WAITING = f"{STATE} AND wait_event_type = 'Lock'"
COPY_OF_A_ROW = """
    INSERT INTO positions
    SELECT (jsonb_populate_record(p, jsonb_build_object('device_id', %s::text))).*
    FROM positions p LIMIT 1
"""


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(database.processor_url, instance_id="processor-1")
    yield store
    await store.aclose()


class OneByOne:
    """Stands in for a Batch whose rows are in the order in which the batches of one row are given."""

    def __init__(self, batches: list[Batch]) -> None:
        self.rows = len(batches)
        self.row_bytes = sum(batch.row_bytes for batch in batches)
        self._copies = [b"".join(batch.copy_chunks(1 << 20)) for batch in batches]

    def copy_chunks(self, chunk_bytes: int) -> Iterator[bytes]:
        assert all(len(copy) < chunk_bytes and copy.endswith(TRAILER) for copy in self._copies)
        yield self._copies[0][:HEADER_BYTES]
        yield from (copy[HEADER_BYTES : -len(TRAILER)] for copy in self._copies)
        yield TRAILER


@pytest.mark.usefixtures("no_small_batches")
async def test_staging_inserts_in_the_order_of_the_key_whatever_order_its_rows_came_in(
    store: PostgresStore, owner: psycopg.Connection[Any]
) -> None:
    shuffled = list(range(DEVICES))
    random.Random(20260501).shuffle(shuffled)
    unsorted: Any = OneByOne([batch_of([position(device, 0)]) for device in shuffled])
    assert (await store.insert_new(unsorted)).inserted == DEVICES
    # A fresh table is filled in the order of the inserts.
    inserted = owner.execute("SELECT device_id FROM positions ORDER BY ctid").fetchall()
    assert inserted == sorted(inserted)


@pytest.mark.usefixtures("no_small_batches")
async def test_a_session_has_one_staging_table_and_leaves_the_catalogue_as_it_is(
    store: PostgresStore, owner: psycopg.Connection[Any]
) -> None:
    def catalogue() -> list[tuple[Any, ...]]:
        query = "SELECT oid, relname FROM pg_class WHERE relname = 'processor_staging'"
        columns = "SELECT count(*), max(xmin::text) FROM pg_attribute"
        return [*owner.execute(query), *owner.execute(columns)]

    await store.insert_new(rows(10))
    before = catalogue()
    assert len(before) == 2
    for number in range(1, 20):
        await store.insert_new(rows(10, first_second=number))
        with pytest.raises(PostgresError):
            await store.copy_direct(rows(10, first_second=number))
    assert catalogue() == before


async def test_nothing_is_awaited_in_a_transaction(
    store: PostgresStore, owner: psycopg.Connection[Any]
) -> None:
    async def refused() -> None:
        with pytest.raises(PostgresError):
            await store.copy_direct(rows(10))

    for act in (
        store.connect,
        store.check_schema,
        lambda: store.copy_direct(rows(10)),
        lambda: store.insert_new(rows(20)),
        refused,
        lambda: store.restore(NEWEST_POSITIONS, [device_of(0)], None),
        store.ping,
    ):
        await act()
        # Said before the answer is sent: what is asked afterwards hears of it.
        assert owner.execute(STATE).fetchall() == [("idle",)]


async def test_a_deadlock_costs_a_write_and_not_the_session(
    store: PostgresStore, owner: psycopg.Connection[Any], database: Database
) -> None:
    await store.insert_new(batch_of([position(0, 0)]))
    # The session that looks for a deadlock first gives way; the pause lets the peer close the circle.
    owner.execute(
        f"ALTER ROLE processor IN DATABASE {database.name} SET deadlock_timeout = '2s'".encode()
    )
    await store.aclose()
    with psycopg.connect(database.admin_url) as peer:
        peer.execute("SET deadlock_timeout = '1min'")
        peer.execute(COPY_OF_A_ROW, (device_of(2),))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write_and_deadlock, store)
            while not owner.execute(WAITING).fetchall():
                await trio.lowlevel.checkpoint()
            await trio.to_thread.run_sync(peer.execute, COPY_OF_A_ROW, (device_of(1),))
    assert (await store.insert_new(batch_of([position(n, 0) for n in range(4)]))).inserted == 1


async def write_and_deadlock(store: PostgresStore) -> None:
    with pytest.raises(PostgresError) as caught:
        await store.insert_new(batch_of([position(1, 0), position(2, 0)]))
    assert caught.value.sqlstate == "40P01"
    assert caught.value.connection_usable


def device_of(number: int) -> str:
    device_id: str = position(number, 0)["device_id"]
    return device_id


def test_a_write_may_take_longer_than_the_compressor_has_ever_held_one_up() -> None:
    assert StoreLimits().write_timeout_ms > 2 * COMPRESSOR_STALL_MS
