"""Small batches on a real server: one round trip, a prepared statement that may be lost, and a table that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from processor.core.small_batches import BYTES_MAX
from processor.edges.postgres.store import PostgresStore
from tests.support.batches import batch_of, position, rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import psycopg

    from dev.servers import Database
    from processor.edges.postgres.connection import TrioConnection

ANOTHER_TABLE = """
    ALTER TABLE positions RENAME TO former;
    CREATE TABLE positions (LIKE former INCLUDING ALL);
    GRANT SELECT, INSERT, UPDATE ON positions TO processor
"""
PREPARED = b"SELECT count(*) FROM pg_prepared_statements"


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresStore]:
    """A store that has written a small batch."""
    store = PostgresStore(database.processor_url, instance_id="processor-1")
    await store.insert_new(rows(1))
    yield store
    await store.aclose()


def connection_of(store: PostgresStore) -> TrioConnection:
    connection = store._session.connection
    assert connection is not None
    return connection


async def test_a_small_batch_takes_one_round_trip(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []
    wait_readable = trio.lowlevel.wait_readable

    async def wait(fileno: int) -> None:
        waits.append(fileno)
        await wait_readable(fileno)

    monkeypatch.setattr(trio.lowlevel, "wait_readable", wait)
    assert (await store.insert_new(rows(5))).inserted == 4
    assert len(waits) == 1


async def test_the_statement_is_prepared_once_a_session(store: PostgresStore) -> None:
    await store.insert_new(rows(5))
    prepared = await connection_of(store).execute(PREPARED)
    assert await prepared.fetchone() == (1,)


@pytest.mark.parametrize("statement", [b"DEALLOCATE ALL", b"DISCARD ALL"])
async def test_a_session_that_has_lost_its_statement_prepares_it_again(
    store: PostgresStore, statement: bytes
) -> None:
    await connection_of(store).execute(statement)
    commit = await store.insert_new(rows(5))
    assert (commit.session, commit.inserted) == (1, 4)


async def test_a_session_that_begins_with_another_statement_of_that_name_replaces_it(
    store: PostgresStore,
) -> None:
    """As an earlier session of this server process left it, which may have been of another version."""
    connection = connection_of(store)
    await connection.execute(b"DEALLOCATE ALL")
    await connection.execute(b"PREPARE processor_insert AS SELECT 1")
    store._session.has_insert = False
    commit = await store.insert_new(rows(5))
    assert (commit.session, commit.inserted) == (1, 4)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE positions ADD COLUMN odometer bigint DEFAULT 0",
        "ALTER TABLE positions ALTER COLUMN speed TYPE double precision",
        ANOTHER_TABLE,
    ],
)
async def test_the_owner_may_change_the_table_between_two_batches(
    store: PostgresStore, owner: psycopg.Connection[Any], change: str
) -> None:
    # From the sixth time on the server keeps one plan.
    for second in range(7):
        await store.insert_new(rows(5, first_second=60 * second))
    owner.execute(change.encode())
    commit = await store.insert_new(rows(5, first_second=3_600))
    assert (commit.session, commit.inserted) == (1, 5)


async def test_rows_are_inserted_in_the_order_of_the_key(
    store: PostgresStore, owner: psycopg.Connection[Any]
) -> None:
    owner.execute("TRUNCATE positions")
    await store.insert_new(batch_of(position(device, 0) for device in (3, 1, 2, 0)))
    inserted = owner.execute("SELECT device_id FROM positions ORDER BY ctid").fetchall()
    assert inserted == sorted(inserted)
    assert len(inserted) == 4


async def test_a_batch_of_as_many_bytes_as_a_small_one_may_have_is_sent_while_the_server_reads(
    store: PostgresStore, owner: psycopg.Connection[Any]
) -> None:
    """The connection's buffers take less at once."""
    value = "x" * (BYTES_MAX // 5 - 200)
    batch = batch_of(position(device, 60, attributes={"1": value}) for device in range(5))
    assert BYTES_MAX - 2_000 < batch.row_bytes <= BYTES_MAX
    assert (await store.insert_new(batch)).inserted == 5
    lengths = "SELECT length(attributes->>'1') FROM positions WHERE attributes ? '1'"
    assert owner.execute(lengths).fetchall() == [(len(value),)] * 5
