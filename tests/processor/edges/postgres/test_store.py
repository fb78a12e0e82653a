"""PostgresStore on a real server that freezes, restarts or refuses rows."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
import pytest
import trio

from processor.core import small_batches
from processor.edges.postgres.limits import StoreLimits
from processor.edges.postgres.store import PostgresStore
from processor.errors import PostgresError
from tests.support.batches import rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from dev.servers import Database, PostgresServer
    from telemetry._codec import Batch

Execute: TypeAlias = "Callable[[str], list[tuple[object, ...]]]"


IMPATIENT = StoreLimits(connect_timeout_ms=200, write_timeout_ms=300, cancel_grace_ms=200)


CUTS = 60
CUT_ROWS = small_batches.ROWS_MAX


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(database.processor_url, instance_id="processor-1")
    yield store
    await store.aclose()


@pytest.fixture
async def impatient(database: Database) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(database.processor_url, instance_id="processor-1", limits=IMPATIENT)
    yield store
    await store.aclose()


@pytest.fixture
def execute(database: Database) -> Iterator[Execute]:
    """Runs a statement as the owner of the schema; the rows it gives."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:

        def run(statement: str) -> list[tuple[object, ...]]:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

        yield run


class RawBatch:
    """Stands in for a Batch whose bytes the codec would never make."""

    def __init__(self, data: bytes, arrays: list[bytes]) -> None:
        self.rows = 1
        self.row_bytes = len(data)
        self._data, self._arrays = data, arrays

    def insert_arrays(self) -> list[bytes]:
        return self._arrays

    def copy_chunks(self, chunk_bytes: int) -> Iterator[bytes]:
        for start in range(0, len(self._data), chunk_bytes):
            yield self._data[start : start + chunk_bytes]


def with_attributes(old: bytes, new: bytes) -> RawBatch:
    batch = rows(1)
    [data] = batch.copy_chunks(1 << 20)
    assert len(old) == len(new)
    assert old in data
    arrays = [array.replace(old, new) for array in batch.insert_arrays()]
    return RawBatch(data.replace(old, new), arrays)


async def seconds_of(write: Callable[[Batch], Awaitable[int]], first_second: int) -> float:
    began = trio.current_time()
    await write(rows(CUT_ROWS, first_second=first_second))
    return trio.current_time() - began


async def test_a_write_cut_at_any_moment_is_whole_or_absent(
    store: PostgresStore, execute: Execute, way: str
) -> None:
    await store.connect()
    # The quickest of a few: caches are cold for the first one, and the machine may be busy for any.
    took = min([await seconds_of(getattr(store, way), first) for first in (-3_000, -2_000, -1_000)])
    generator = random.Random(7)
    cut = 0
    for number in range(CUTS):
        batch = rows(CUT_ROWS, first_second=1_000 * number)
        # A cut behind the end of the data costs the session: the next one is opened here.
        await getattr(store, way)(rows(1, first_second=-10_000 - number))
        with trio.move_on_after(generator.uniform(0, 1.5 * took)) as scope:
            await getattr(store, way)(batch)
        cut += scope.cancelled_caught
        second = f"timestamptz '2026-05-01 12:00Z' + interval '{1_000 * number} s'"
        [(written,)] = execute(
            f"SELECT count(*) FROM positions WHERE ts >= {second} AND ts < {second} + interval '1000 s'"
        )
        # A cut may come after the commit, while its confirmation is on the way.
        assert written in ({0, CUT_ROWS} if scope.cancelled_caught else {CUT_ROWS})
    assert 0 < cut < CUTS
    after = await getattr(store, way)(rows(CUT_ROWS, first_second=1_000 * CUTS))
    assert after.inserted == CUT_ROWS


async def test_a_frozen_server_ends_a_write_within_its_time_out_and_the_grace(
    impatient: PostgresStore, postgres_server: PostgresServer, way: str
) -> None:
    await impatient.connect()
    postgres_server.process.freeze()
    began = trio.current_time()
    with pytest.raises(PostgresError, match="no answer within 300 ms") as caught:
        await getattr(impatient, way)(rows(10))
    assert 0.3 <= trio.current_time() - began < 2
    assert caught.value.sqlstate is None
    assert not caught.value.connection_usable


async def test_a_thawed_server_takes_the_next_write(
    impatient: PostgresStore, postgres_server: PostgresServer
) -> None:
    await impatient.connect()
    postgres_server.process.freeze()
    with pytest.raises(PostgresError):
        await impatient.insert_new(rows(10))
    postgres_server.process.thaw()
    await impatient.insert_new(rows(10))
    assert (await impatient.insert_new(rows(10))).inserted == 0


async def test_a_write_that_waits_for_a_lock_is_given_up_and_the_connection_kept(
    impatient: PostgresStore, database: Database
) -> None:
    with psycopg.connect(database.admin_url) as migrating:
        migrating.execute("LOCK TABLE positions IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(PostgresError, match="no answer within 300 ms") as caught:
            await impatient.copy_direct(rows(10))
        assert caught.value.connection_usable
    assert (await impatient.copy_direct(rows(10))).inserted == 10


async def test_a_restarted_server_costs_one_error(
    store: PostgresStore, postgres_server: PostgresServer
) -> None:
    await store.insert_new(rows(10))
    await trio.to_thread.run_sync(postgres_server.process.restart)
    with pytest.raises(PostgresError) as caught:
        await store.insert_new(rows(20))
    assert not caught.value.connection_usable
    assert (await store.insert_new(rows(20))).inserted == 10


@pytest.mark.parametrize(
    ("old", "new", "sqlstate"),
    [
        (b'"18446744073709551615"', rb'"\u0000.............."', "22P05"),
        (b'"18446744073709551615"', rb'"\ud800.............."', "22P02"),
        (b"\x00\x00\x00\x028E", b"\x00\x00\x00\x028\x00", "22021"),
    ],
)
async def test_a_poisonous_row_is_refused_with_its_sqlstate_and_nothing_is_written(
    store: PostgresStore,
    execute: Execute,
    way: str,
    old: bytes,
    new: bytes,
    sqlstate: str,
) -> None:
    with pytest.raises(PostgresError) as caught:
        await getattr(store, way)(with_attributes(old, new))
    assert caught.value.sqlstate == sqlstate
    assert caught.value.connection_usable
    assert execute("SELECT count(*) FROM positions") == [(0,)]


@pytest.mark.parametrize("swallowed", [3, 10])
async def test_a_direct_copy_counts_the_rows_that_a_trigger_swallows(
    store: PostgresStore, execute: Execute, swallowed: int
) -> None:
    execute(
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF new.device_id < '{356307042441000 + swallowed}' THEN RETURN NULL; END IF;"
        " RETURN new; END $$;"
        "CREATE TRIGGER swallow BEFORE INSERT ON positions FOR EACH ROW EXECUTE FUNCTION swallow()"
    )
    commit = await store.copy_direct(rows(10))
    assert (commit.inserted, commit.discarded) == (10 - swallowed, swallowed)
    assert execute("SELECT count(*) FROM positions") == [(10 - swallowed,)]


@pytest.mark.parametrize("rows_max", [0, small_batches.ROWS_MAX])
async def test_a_write_that_inserts_nothing_is_followed_by_a_commit_that_the_server_writes(
    store: PostgresStore, execute: Execute, monkeypatch: pytest.MonkeyPatch, rows_max: int
) -> None:
    """Whatever staging itself writes by accident: what is returned has to be a fence."""
    monkeypatch.setattr(small_batches, "ROWS_MAX", rows_max)
    await store.insert_new(rows(10))
    await store.insert_new(rows(10))
    last = "SELECT query FROM pg_stat_activity WHERE usename = 'processor'"
    [(query,)] = execute(last)
    assert "pg_logical_emit_message(true" in str(query)
    await store.insert_new(rows(11))
    assert execute(last) != [(query,)], "one that has inserted is a fence itself"


async def test_a_fence_is_on_the_session_that_wrote_or_it_is_none(store: PostgresStore) -> None:
    await store.insert_new(rows(10))
    # It is lost behind the statement that inserts nothing, before the message is sent.
    session = store._session
    confirm = store._confirm

    async def lost() -> Any:
        assert session.connection is not None
        await session.connection.close()
        return await confirm()

    store._confirm = lost  # type: ignore[method-assign]
    with pytest.raises(PostgresError) as caught:
        await store.insert_new(rows(10))
    assert caught.value.session == session.number == 1
    assert not caught.value.connection_usable


async def test_the_session_keeps_its_settings_whatever_the_role_says(
    store: PostgresStore, execute: Execute
) -> None:
    execute("ALTER ROLE processor SET synchronous_commit = off")
    execute("ALTER ROLE processor SET statement_timeout = 10")
    try:
        await store.connect()
        assert execute(
            "SELECT application_name FROM pg_stat_activity WHERE usename = 'processor'"
        ) == [("processor/processor-1",)]
        connection = store._session.connection
        assert connection is not None
        settings = {}
        for name in ("synchronous_commit", "statement_timeout"):
            row = await (await connection.execute(f"SHOW {name}".encode())).fetchone()
            assert row is not None
            settings[name] = row[0]
    finally:
        execute("ALTER ROLE processor RESET ALL")
    assert settings == {"synchronous_commit": "on", "statement_timeout": "1min"}


@pytest.mark.usefixtures("no_small_batches")
async def test_the_staging_table_is_empty_after_each_commit(store: PostgresStore) -> None:
    await store.insert_new(rows(10))
    connection = store._session.connection
    assert connection is not None
    staged = await connection.execute("SELECT count(*) FROM pg_temp.processor_staging")
    assert await staged.fetchone() == (0,)


async def test_no_thread_is_started_to_connect_or_to_write(store: PostgresStore) -> None:
    before = threading.enumerate()
    await store.insert_new(rows(1_000))
    assert threading.enumerate() == before


async def test_two_sessions_with_the_same_keys_settle_on_one_row_each(database: Database) -> None:
    inserted: list[int] = []

    async def write(instance_id: str) -> None:
        store = PostgresStore(database.processor_url, instance_id=instance_id)
        inserted.extend(
            [(await store.insert_new(rows(500, first_second=n * 25))).inserted for n in range(10)]
        )
        await store.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write, "processor-1")
        nursery.start_soon(write, "processor-2")
    with psycopg.connect(database.admin_url) as admin:
        assert admin.execute("SELECT count(*) FROM positions").fetchone() == (sum(inserted),)
