"""The Trio connection: cancelled anywhere, frozen, closed while in use, and never waiting too long."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import trio
import trio.testing
from psycopg.pq import TransactionStatus

from processor.edges.postgres.connection import TrioConnection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from dev.servers import Database, PostgresServer

CUTS = 150


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[TrioConnection]:
    async with await TrioConnection.connect(url, **options) as connection:
        yield connection


async def answer(connection: TrioConnection, query: bytes) -> object:
    row = await (await connection.execute(query)).fetchone()
    assert row is not None
    return row[0]


async def test_a_cancelled_query_stops_on_the_server_and_leaves_the_connection_usable(
    database: Database,
) -> None:
    async with connected(database.processor_url) as connection:
        with trio.move_on_after(0.05) as scope:
            await connection.execute("SELECT pg_sleep(60)")
        assert scope.cancelled_caught
        assert await answer(connection, b"SELECT 1") == 1
    with psycopg.connect(database.admin_url) as admin:
        running = admin.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND state = 'active'"
        ).fetchone()
    assert running == (0,)


def text_rows(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield b"%d\t%b\n" % (number, b"x" * 1_000)


@pytest.fixture
def count(database: Database) -> Iterator[Callable[[], int]]:
    """The rows of table `t`, as another session sees them."""
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        admin.execute("CREATE TABLE t (id int, filler text)")
        admin.execute("GRANT ALL ON t TO processor")

        def count() -> int:
            row = admin.execute("SELECT count(*) FROM t").fetchone()
            assert row is not None
            return int(row[0])

        yield count


async def test_a_copy_cut_at_any_moment_is_whole_or_absent_and_usable_unless_all_data_was_sent(
    database: Database, count: Callable[[], int]
) -> None:
    generator = random.Random(7)
    connection = await TrioConnection.connect(database.processor_url)
    began = trio.current_time()
    committed = await connection.copy_in(b"COPY t FROM STDIN", text_rows(1_000))
    took = trio.current_time() - began
    stopped = closed = 0
    for _ in range(CUTS):
        with trio.move_on_after(generator.uniform(0, 1.5 * took)) as scope:
            await connection.copy_in(b"COPY t FROM STDIN", text_rows(1_000))
            committed += 1_000
        if connection.closed:
            # Cut behind the end of the data: the server goes on, and commits or not.
            assert scope.cancelled_caught
            closed += 1
            connection = await TrioConnection.connect(database.processor_url)
            await until_sessions(database, 1)
            assert count() in {committed, committed + 1_000}
            committed = count()
        else:
            assert connection.info.transaction_status is TransactionStatus.IDLE
            assert count() == committed, "what was stopped has written nothing"
            stopped += scope.cancelled_caught
    await connection.close()
    assert stopped
    assert closed
    assert 1_000 < committed < CUTS * 1_000, "some are cut, some are not"


async def test_a_command_that_ends_in_spite_of_its_cancel_request_costs_the_connection(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request may still be on its way, and would stop the next statement."""

    async def late(self: TrioConnection, *, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        await trio.lowlevel.checkpoint()

    monkeypatch.setattr(TrioConnection, "cancel_safe", late)
    async with connected(database.processor_url, cancel_grace_ms=5_000) as connection:
        with trio.move_on_after(0.05) as scope:
            await connection.execute("SELECT pg_sleep(0.2)")
        assert scope.cancelled_caught
        assert connection.closed


async def test_a_failed_cancel_request_costs_the_connection(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(self: TrioConnection, *, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        await trio.lowlevel.checkpoint()
        raise psycopg.OperationalError("the port is closed")

    monkeypatch.setattr(TrioConnection, "cancel_safe", failing)
    async with connected(database.processor_url) as connection:
        with trio.move_on_after(0.05):
            await connection.execute("SELECT 1 / (0 * length(pg_sleep(0.1)::text))")
        assert connection.closed


async def test_connecting_cut_at_any_moment_leaves_no_session_behind(database: Database) -> None:
    began = trio.current_time()
    await (await TrioConnection.connect(database.processor_url)).close()
    took = trio.current_time() - began
    generator = random.Random(7)
    finished = 0
    for _ in range(CUTS):
        with trio.move_on_after(generator.uniform(0, 1.5 * took)):
            await (await TrioConnection.connect(database.processor_url)).close()
            finished += 1
    assert 0 < finished < CUTS
    await until_sessions(database, 0)


async def until_sessions(database: Database, left: int) -> None:
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'processor'"
        with trio.fail_after(10):
            while admin.execute(sessions).fetchone() != (left,):
                await trio.lowlevel.checkpoint()


async def test_an_exception_of_the_chunks_ends_the_copy_and_leaves_the_connection_usable(
    database: Database,
) -> None:
    def broken() -> Iterator[bytes]:
        yield b"1\n"
        raise ValueError("the encoder broke")

    async with connected(database.processor_url) as connection:
        await connection.execute("CREATE TEMP TABLE t (id int)")
        with pytest.raises(ValueError, match="the encoder broke"):
            await connection.copy_in(b"COPY t FROM STDIN", broken())
        assert await answer(connection, b"SELECT count(*) FROM t") == 0


async def test_notices_of_every_row_do_not_block_the_copy(database: Database) -> None:
    async with connected(database.processor_url) as connection:
        await connection.execute(
            "CREATE TEMP TABLE t (id int, filler text);"
            "CREATE FUNCTION pg_temp.loud() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE NOTICE '%', repeat('n', 2000); RETURN new; END $$;"
            "CREATE TRIGGER loud BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION pg_temp.loud()"
        )
        with trio.fail_after(30):
            # Both ways more than what the sockets' buffers hold.
            assert await connection.copy_in(b"COPY t FROM STDIN", text_rows(20_000)) == 20_000


async def test_a_frozen_server_costs_a_cancelled_query_no_more_than_the_grace(
    database: Database, postgres_server: PostgresServer
) -> None:
    async with connected(database.processor_url, cancel_grace_ms=200) as connection:
        postgres_server.process.freeze()
        began = trio.current_time()
        with trio.move_on_after(0.1):
            await connection.execute("SELECT 1")
        assert 0.3 <= trio.current_time() - began < 2
        assert connection.closed


async def test_a_frozen_server_is_given_up_while_connecting(
    database: Database, postgres_server: PostgresServer
) -> None:
    postgres_server.process.freeze()
    began = trio.current_time()
    with pytest.raises(psycopg.OperationalError, match="within 200 ms"):
        await TrioConnection.connect(database.processor_url, connect_timeout_ms=200)
    assert 0.2 <= trio.current_time() - began < 2


async def test_closing_does_not_wait_for_a_frozen_server_with_full_buffers(
    database: Database, postgres_server: PostgresServer
) -> None:
    async with connected(database.processor_url, cancel_grace_ms=100) as connection:
        await connection.execute("CREATE TEMP TABLE t (id int, filler text)")
        postgres_server.process.freeze()
        began = trio.current_time()
        with trio.move_on_after(0.2):
            await connection.copy_in(b"COPY t FROM STDIN", text_rows(20_000))
        assert trio.current_time() - began < 2
        assert connection.closed


async def test_closing_wakes_a_task_that_waits_for_an_answer(database: Database) -> None:
    connection = await TrioConnection.connect(database.processor_url)

    async def ask() -> None:
        with pytest.raises(psycopg.OperationalError, match="closed while it was in use"):
            await connection.execute("SELECT pg_sleep(60)")

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            await connection.close()


async def test_of_several_hosts_the_first_that_answers_is_taken(
    database: Database, postgres_server: PostgresServer
) -> None:
    place = f"127.0.0.1:{postgres_server.port}"
    async with connected(database.processor_url.replace(place, f"127.0.0.1:1,{place}")) as found:
        assert found.info.port == postgres_server.port


async def test_when_no_host_answers_the_error_names_each() -> None:
    with pytest.raises(psycopg.OperationalError) as caught:
        await TrioConnection.connect("postgresql://u:secret@127.0.0.1:1,127.0.0.1:2/x")
    assert "port 1 failed" in str(caught.value)
    assert "port 2 failed" in str(caught.value)
    assert "secret" not in str(caught.value)


class OneHost(trio.abc.HostnameResolver):
    """Knows `db.example` alone, at an address where nothing listens and at the server's."""

    async def getaddrinfo(  # as Trio calls it
        self,
        host: bytes | None,
        port: object,
        family: int = 0,
        type: int = 0,  # noqa: A002
        proto: int = 0,
        flags: int = 0,  # noqa: ARG002
    ) -> Any:
        assert host == b"db.example"
        return [(family, type, proto, "", (to, port)) for to in ("127.0.0.2", "127.0.0.1")]

    async def getnameinfo(self, sockaddr: object, flags: int) -> tuple[str, str]:
        raise NotImplementedError


async def test_a_host_name_is_resolved_by_trio_and_each_address_is_tried(
    database: Database,
) -> None:
    trio.socket.set_custom_hostname_resolver(OneHost())
    url = database.processor_url.replace("127.0.0.1", "db.example")
    async with connected(url) as connection:
        assert connection.info.host == "db.example"
        assert connection.info.hostaddr == "127.0.0.1"


async def test_an_unknown_host_name_is_named() -> None:
    with pytest.raises(psycopg.OperationalError, match=r"no-such-host\.invalid"):
        await TrioConnection.connect("postgresql://u@no-such-host.invalid/x")


async def test_a_unix_socket_serves_as_well(postgres_server: PostgresServer) -> None:
    async with connected(
        f"postgresql:///postgres?host={postgres_server.socket_dir}",
        port=postgres_server.port,
        user="directus",
        password=postgres_server.admin_password,
    ) as connection:
        assert await answer(connection, b"SELECT 1") == 1


async def test_other_tasks_run_while_a_query_does(database: Database) -> None:
    async with connected(database.processor_url) as connection:
        turns = 0
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:

                @nursery.start_soon
                async def count() -> None:
                    nonlocal turns
                    while True:
                        await trio.lowlevel.checkpoint()
                        turns += 1

                await connection.execute("SELECT pg_sleep(0.05)")
                nursery.cancel_scope.cancel()
        assert turns > 10
