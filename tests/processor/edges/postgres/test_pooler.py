"""A real PgBouncer before PostgreSQL: session mode is accepted, a pool that shares servers is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
import trio

from dev.servers import launch_pgbouncer
from processor.edges.postgres.connection import TrioConnection
from processor.edges.postgres.store import PostgresStore
from processor.errors import PostgresError, PostgresRefused
from tests.support.batches import rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dev.servers import Database, PostgresServer

pytestmark = pytest.mark.deployment("pgbouncer")

# Without the first, PgBouncer refuses `options` at start-up; with it, they are dropped.
POOLS = [
    {},
    {"ignore_startup_parameters": "options"},
    {"default_pool_size": "1"},
    {"server_round_robin": "1"},
]


@pytest.fixture
async def pooled(
    database: Database, postgres_server: PostgresServer
) -> AsyncIterator[PostgresStore]:
    """A store that is connected through a pooler in session mode."""
    with launch_pgbouncer(postgres_server, pool_mode="session") as pooler:
        url = pooler.database(database.name).processor_url
        store = PostgresStore(url, instance_id="processor-1")
        await store.connect()
        yield store
        await store.aclose()


def connection_of(store: PostgresStore) -> TrioConnection:
    assert store._session.connection is not None
    return store._session.connection


async def commits_of(store: PostgresStore) -> object:
    found = await connection_of(store).execute("SHOW synchronous_commit")
    return await found.fetchone()


@pytest.mark.parametrize("settings", POOLS, ids=str)
async def test_behind_a_pooler_in_session_mode_rows_are_written_with_our_settings(
    database: Database, postgres_server: PostgresServer, settings: dict[str, str]
) -> None:
    with psycopg.connect(database.admin_url, autocommit=True) as owner:
        off = f"ALTER ROLE processor IN DATABASE {database.name} SET synchronous_commit = off"
        owner.execute(off.encode())
    with launch_pgbouncer(postgres_server, pool_mode="session", settings=settings) as pooler:
        url = pooler.database(database.name).processor_url
        store = PostgresStore(url, instance_id="processor-1")
        assert (await store.copy_direct(rows(10))).inserted == 10
        assert (await store.insert_new(rows(20))).inserted == 10
        assert await commits_of(store) == ("on",)
        await store.aclose()


async def test_behind_a_pooler_that_resets_nothing_a_session_may_have_an_earlier_ones_statement(
    database: Database, postgres_server: PostgresServer
) -> None:
    settings = {"server_reset_query": "", "default_pool_size": "1"}
    with launch_pgbouncer(postgres_server, pool_mode="session", settings=settings) as pooler:
        url = pooler.database(database.name).processor_url
        async with await TrioConnection.connect(url) as earlier:
            await earlier.prepare_insert()
            server = await (await earlier.execute("SELECT pg_backend_pid()")).fetchone()
        store = PostgresStore(url, instance_id="processor-1")
        assert (await store.insert_new(rows(3))).inserted == 3
        assert (connection_of(store).backend_pid,) == server
        await store.aclose()


@pytest.mark.parametrize("settings", POOLS, ids=str)
@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_a_pooler_that_shares_servers_among_sessions_is_refused_by_name(
    database: Database, postgres_server: PostgresServer, mode: str, settings: dict[str, str]
) -> None:
    async def use(url: str) -> None:
        async with await TrioConnection.connect(url) as connection:
            await connection.execute("SELECT pg_sleep(0.05)")

    with launch_pgbouncer(postgres_server, pool_mode=mode, settings=settings) as pooler:
        url = pooler.database(database.name).processor_url
        # Others have used the pool, and left several servers in it.
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(use, url)
        store = PostgresStore(url, instance_id="processor-1")
        with pytest.raises(PostgresRefused, match=f"PgBouncer in {mode} mode") as caught:
            await store.connect()
        assert "pool_mode = session" in str(caught.value)
        assert caught.value.session is None


async def test_behind_a_pooler_the_settings_are_looked_at_again_after_a_failure(
    pooled: PostgresStore,
) -> None:
    await pooled.copy_direct(rows(1))
    connection = connection_of(pooled)
    await connection.execute("SET synchronous_commit = off")
    with pytest.raises(PostgresError) as caught:
        await pooled.copy_direct(rows(1))
    assert caught.value.connection_usable
    await pooled.insert_new(rows(2))
    assert connection_of(pooled) is connection
    assert await commits_of(pooled) == ("on",)


async def test_a_session_that_finds_another_server_after_a_failure_is_refused(
    pooled: PostgresStore,
) -> None:
    await pooled.copy_direct(rows(1))
    with pytest.raises(PostgresError):
        await pooled.copy_direct(rows(1))
    connection_of(pooled).backend_pid += 1
    with pytest.raises(PostgresRefused, match="PgBouncer in transaction mode"):
        await pooled.ping()
    assert (await pooled.insert_new(rows(2))).inserted == 1


async def test_behind_a_pooler_no_cancel_request_is_sent(pooled: PostgresStore) -> None:
    """It might be passed on late, and stop the next statement: a query is left by closing the session."""
    connection = connection_of(pooled)
    assert connection.is_pooled
    with trio.move_on_after(0.1):
        await connection.execute("SELECT pg_sleep(60)")
    assert connection.closed


async def test_behind_a_pooler_a_copy_is_stopped_by_its_own_protocol(pooled: PostgresStore) -> None:
    connection = connection_of(pooled)
    await connection.execute("CREATE TEMP TABLE t (id int)")

    def broken() -> list[bytes]:
        raise ValueError("the encoder broke")

    with pytest.raises(ValueError, match="the encoder broke"):
        await connection.copy_in(b"COPY t FROM STDIN", (chunk for _ in [0] for chunk in broken()))
    assert not connection.closed
