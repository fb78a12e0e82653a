"""PostgresStore against what real servers do: freeze, restart, refuse, and lack things."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
import pytest
import trio

from processor.edges.postgres.limits import StoreLimits
from processor.edges.postgres.store import PostgresStore
from processor.errors import PostgresError, SchemaMismatch
from telemetry._codec import DeviceStates
from telemetry.chassis.errors import ConfigError
from tests.support.batches import rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from dev.servers import Database, PostgresServer
    from telemetry._codec import Batch

Execute: TypeAlias = "Callable[[str], list[tuple[object, ...]]]"

IMPATIENT = StoreLimits(connect_timeout_ms=200, write_timeout_ms=300, cancel_grace_ms=200)
CUTS = 60


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

    def __init__(self, data: bytes) -> None:
        self.rows = 1
        self._data = data

    def copy_chunks(self, chunk_bytes: int) -> Iterator[bytes]:
        for start in range(0, len(self._data), chunk_bytes):
            yield self._data[start : start + chunk_bytes]


def with_attributes(old: bytes, new: bytes) -> RawBatch:
    [data] = rows(1).copy_chunks(1 << 20)
    assert len(old) == len(new)
    assert old in data
    return RawBatch(data.replace(old, new))


async def seconds_of(write: Callable[[Batch], Awaitable[int]], first_second: int) -> float:
    began = trio.current_time()
    await write(rows(500, first_second=first_second))
    return trio.current_time() - began


@pytest.mark.parametrize("way", ["copy_direct", "copy_staged"])
async def test_a_write_cut_at_any_moment_is_whole_or_absent(
    store: PostgresStore, execute: Execute, way: str
) -> None:
    await store.connect()
    # The quickest of a few: the first one meets cold caches, and any a busy machine.
    took = min([await seconds_of(getattr(store, way), first) for first in (-3_000, -2_000, -1_000)])
    generator = random.Random(7)
    cut = 0
    for number in range(CUTS):
        batch = rows(500, first_second=1_000 * number)
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
        assert written in ({0, 500} if scope.cancelled_caught else {500})
    assert 0 < cut < CUTS
    assert (await getattr(store, way)(rows(500, first_second=1_000 * CUTS))).inserted == 500


@pytest.mark.parametrize("way", ["copy_direct", "copy_staged"])
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
        await impatient.copy_staged(rows(10))
    postgres_server.process.thaw()
    await impatient.copy_staged(rows(10))
    assert (await impatient.copy_staged(rows(10))).inserted == 0


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
    await store.copy_staged(rows(10))
    await trio.to_thread.run_sync(postgres_server.process.restart)
    with pytest.raises(PostgresError) as caught:
        await store.copy_staged(rows(20))
    assert not caught.value.connection_usable
    assert (await store.copy_staged(rows(20))).inserted == 10


async def test_without_a_server_the_error_names_host_and_port_only(
    store: PostgresStore, postgres_server: PostgresServer
) -> None:
    await trio.to_thread.run_sync(postgres_server.process.stop)
    with pytest.raises(PostgresError, match="failed: Connection refused; Is the") as caught:
        await store.connect()
    assert caught.value.where == f"127.0.0.1:{postgres_server.port}"
    assert caught.value.sqlstate is None
    assert postgres_server.processor_password not in str(caught.value)


async def test_a_wrong_password_is_told_without_the_password(database: Database) -> None:
    url = database.processor_url.replace("processor:", "processor:wrong-")
    with pytest.raises(PostgresError, match="password authentication failed") as caught:
        await PostgresStore(url, instance_id="processor-1").connect()
    assert "wrong-" not in str(caught.value)
    assert not caught.value.connection_usable


async def test_an_unknown_database_is_told(postgres_server: PostgresServer) -> None:
    store = PostgresStore(postgres_server.database("nowhere").admin_url, instance_id="processor-1")
    with pytest.raises(PostgresError, match='database "nowhere" does not exist'):
        await store.connect()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secret@host/x?nonsense=1",
        "postgresql://u:secret@host:port/x",
        "postgresql://u:raw@secret@host/x",
        "postgresql://u:secret/raw@host/x",
        "postgresql://u:secret@a:1,b:2,c/x?hostaddr=1.1.1.1",
    ],
)
def test_a_url_that_is_none_is_a_configuration_error_that_does_not_quote_it(url: str) -> None:
    with pytest.raises(ConfigError, match="POSTGRES_URL") as caught:
        PostgresStore(url, instance_id="processor-1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("way", ["copy_direct", "copy_staged"])
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


async def test_a_missing_privilege_is_reported_at_the_check_and_at_the_write(
    store: PostgresStore, execute: Execute
) -> None:
    execute("REVOKE INSERT ON positions FROM processor")
    with pytest.raises(SchemaMismatch) as mismatch:
        await store.check_schema()
    assert mismatch.value.differences == ("privilege INSERT on table public.positions is missing",)
    with pytest.raises(PostgresError) as caught:
        await store.copy_direct(rows(1))
    assert caught.value.sqlstate == "42501"


@pytest.mark.parametrize(
    ("change", "differences"),
    [
        ("DROP TABLE positions", ["table public.positions is missing"]),
        ("ALTER TABLE positions DROP COLUMN codec", ["column codec (text) is missing"]),
        ("ALTER TABLE positions ALTER speed TYPE float8", ["column speed is double precision"]),
        ("ALTER TABLE positions ALTER faulty SET DEFAULT true", ["column faulty has default true"]),
        ("ALTER TABLE positions ALTER angle DROP NOT NULL", ["column angle allows NULL"]),
        ("ALTER TABLE positions ADD tenant int NOT NULL", ["column tenant is not ours"]),
        ("DROP INDEX positions_device_ts", ["no unique index on exactly (device_id, ts)"]),
        ("REVOKE USAGE ON SCHEMA public FROM processor", ["privilege USAGE on schema public"]),
        (
            (
                "DO $$BEGIN EXECUTE 'REVOKE TEMPORARY ON DATABASE ' || current_database()"
                " || ' FROM processor'; END$$"
            ),
            ["privilege TEMPORARY on the database"],
        ),
        (
            "ALTER TABLE positions ENABLE ROW LEVEL SECURITY",
            ["row level security of public.positions applies to this role"],
        ),
        (
            (
                "ALTER TABLE positions ENABLE ROW LEVEL SECURITY;"
                "CREATE POLICY all_of_it ON positions USING (true) WITH CHECK (true)"
            ),
            ["row level security of public.positions applies to this role"],
        ),
        (
            (
                "ALTER TABLE positions DROP COLUMN codec;"
                "ALTER TABLE positions ADD codec text NOT NULL GENERATED ALWAYS AS ('8') STORED"
            ),
            ["the server would refuse the write"],
        ),
    ],
)
async def test_the_check_finds_what_the_table_lacks(
    store: PostgresStore,
    execute: Execute,
    change: str,
    differences: list[str],
) -> None:
    execute(change)
    with pytest.raises(SchemaMismatch) as caught:
        await store.check_schema()
    found = caught.value.differences
    assert len(found) == len(differences)
    assert all(line.startswith(begin) for line, begin in zip(found, differences, strict=True))


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE positions ADD note text, ADD tenant int NOT NULL DEFAULT 1",
        "ALTER TABLE positions ADD number bigint GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE positions ADD CHECK (speed >= 0)",
        "CREATE INDEX ON positions (codec, lower(device_id))",
        "ALTER TABLE positions ADD PRIMARY KEY (device_id, ts)",
        "DROP INDEX positions_device_ts; ALTER TABLE positions ADD PRIMARY KEY (ts, device_id)",
    ],
)
async def test_what_the_contract_allows_is_no_difference(
    store: PostgresStore, execute: Execute, change: str
) -> None:
    execute(change)
    assert await store.check_schema() == ()
    assert (await store.copy_staged(rows(10))).inserted == 10


async def test_row_security_that_a_role_bypasses_is_no_difference(
    store: PostgresStore, execute: Execute
) -> None:
    execute("ALTER TABLE positions ENABLE ROW LEVEL SECURITY")
    execute("ALTER ROLE processor BYPASSRLS")
    try:
        assert await store.check_schema() == ()
        assert (await store.copy_direct(rows(10))).inserted == 10
    finally:
        execute("ALTER ROLE processor NOBYPASSRLS")


async def test_row_security_that_is_enabled_while_we_run_is_an_error_and_hides_no_row(
    store: PostgresStore, execute: Execute
) -> None:
    await store.copy_direct(rows(10))
    execute("ALTER TABLE positions ENABLE ROW LEVEL SECURITY")
    for ask in (
        lambda: store.copy_direct(rows(20, first_second=60)),
        lambda: store.copy_staged(rows(20)),
        lambda: store.probe(DeviceStates(1).unproven(rows(10))),
    ):
        with pytest.raises(PostgresError) as caught:
            await ask()
        # What has the schema checked, which says why.
        assert caught.value.sqlstate == "42501"
        assert caught.value.connection_usable


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


async def test_a_write_that_inserts_nothing_is_followed_by_a_commit_that_the_server_writes(
    store: PostgresStore, execute: Execute
) -> None:
    """Whatever staging itself writes by accident: what is returned has to be a fence."""
    await store.copy_staged(rows(10))
    await store.copy_staged(rows(10))
    last = "SELECT query FROM pg_stat_activity WHERE usename = 'processor'"
    [(query,)] = execute(last)
    assert "pg_logical_emit_message(true" in str(query)
    await store.copy_staged(rows(11))
    assert execute(last) != [(query,)], "one that has inserted is a fence itself"


async def test_a_fence_is_on_the_session_that_wrote_or_it_is_none(store: PostgresStore) -> None:
    await store.copy_staged(rows(10))
    # It is lost behind the statement that inserts nothing, before the message is sent.
    session = store._session
    confirm = store._confirm

    async def lost() -> Any:
        assert session.connection is not None
        await session.connection.close()
        return await confirm()

    store._confirm = lost  # type: ignore[method-assign]
    with pytest.raises(PostgresError) as caught:
        await store.copy_staged(rows(10))
    assert caught.value.session == session.number == 1
    assert not caught.value.connection_usable


async def test_a_missing_index_of_the_readers_is_a_warning(
    store: PostgresStore, execute: Execute
) -> None:
    execute("DROP INDEX positions_ts, positions_faulty_idx")
    warnings = await store.check_schema()
    assert [line.split()[1] for line in warnings] == ["positions_ts", "positions_faulty_idx"]


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


async def test_the_staging_table_is_empty_after_each_commit(store: PostgresStore) -> None:
    await store.copy_staged(rows(10))
    connection = store._session.connection
    assert connection is not None
    staged = await connection.execute("SELECT count(*) FROM pg_temp.processor_staging")
    assert await staged.fetchone() == (0,)


async def test_no_thread_is_started_to_connect_or_to_write(store: PostgresStore) -> None:
    before = threading.enumerate()
    await store.copy_staged(rows(1_000))
    assert threading.enumerate() == before


async def test_two_sessions_with_the_same_keys_settle_on_one_row_each(database: Database) -> None:
    inserted: list[int] = []

    async def write(instance_id: str) -> None:
        store = PostgresStore(database.processor_url, instance_id=instance_id)
        inserted.extend(
            [(await store.copy_staged(rows(500, first_second=n * 25))).inserted for n in range(10)]
        )
        await store.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write, "processor-1")
        nursery.start_soon(write, "processor-2")
    with psycopg.connect(database.admin_url) as admin:
        assert admin.execute("SELECT count(*) FROM positions").fetchone() == (sum(inserted),)
