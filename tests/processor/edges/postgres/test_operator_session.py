"""The session of an operator's command on a real PostgreSQL: it reads, in time, and leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from dev.servers import launch_pgbouncer
from processor.config.postgres_target import postgres_target
from processor.edges.postgres.operator_session import OperatorLimits, open_operator_session
from processor.errors import PostgresError, PostgresRefused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dev.servers import Database, PostgresServer
    from processor.edges.postgres.operator_session import OperatorSession


@pytest.fixture
async def session(database: Database) -> AsyncIterator[OperatorSession]:
    async with open_operator_session(postgres_target(database.processor_url)) as opened:
        yield opened


async def test_it_reads_as_the_role_of_the_url_and_names_itself(session: OperatorSession) -> None:
    query = "SELECT current_user::text, current_setting('application_name'), %s::int"
    assert await session.fetch(query, (7,)) == [("processor", "processor/operator", 7)]


async def test_it_can_write_nothing(session: OperatorSession) -> None:
    with pytest.raises(PostgresError) as caught:
        await session.fetch("UPDATE public.positions SET speed = 0 RETURNING speed")
    assert caught.value.sqlstate == "25006"


async def test_after_a_refused_query_it_takes_the_next_one(session: OperatorSession) -> None:
    with pytest.raises(PostgresError, match="does not exist"):
        await session.fetch("SELECT FROM public.nothing")
    assert (await session.table_findings()).differences == ()
    assert await session.fetch("SELECT 1") == [(1,)]


async def test_a_query_that_waits_is_stopped_on_the_server(
    session: OperatorSession, owner: psycopg.Connection[Any]
) -> None:
    with owner.transaction():
        owner.execute("LOCK TABLE positions")
        with pytest.raises(PostgresError, match="no answer within 50 ms"):
            await session.fetch("SELECT FROM public.positions", limit_ms=50)
        assert owner.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall() == []


async def test_the_findings_are_those_of_the_service(
    session: OperatorSession, owner: psycopg.Connection[Any]
) -> None:
    owner.execute("DROP INDEX positions_ts")
    findings = await session.table_findings()
    assert findings.differences == ()
    assert [line.split()[1] for line in findings.warnings] == ["positions_ts"]
    owner.execute("REVOKE INSERT ON positions FROM processor")
    assert (await session.table_findings()).differences == (
        "privilege INSERT on table public.positions is missing",
    )


async def test_what_only_the_server_can_know_is_found_and_harms_no_later_look(
    session: OperatorSession, owner: psycopg.Connection[Any]
) -> None:
    owner.execute("ALTER TABLE positions DROP COLUMN codec")
    owner.execute("ALTER TABLE positions ADD codec text NOT NULL GENERATED ALWAYS AS ('8') STORED")
    for _ in range(2):
        [difference] = (await session.table_findings()).differences
        assert difference.startswith("the server would refuse the write: ")


async def test_credentials_that_are_refused_are_a_refusal_without_the_password(
    database: Database, postgres_server: PostgresServer
) -> None:
    url = database.processor_url.replace(postgres_server.processor_password, "wr0ng-pass")
    with pytest.raises(PostgresRefused, match="password authentication failed") as caught:
        async with open_operator_session(postgres_target(url)):
            pass
    assert "wr0ng-pass" not in str(caught.value)


async def test_a_server_that_says_nothing_is_given_up(
    database: Database, postgres_server: PostgresServer
) -> None:
    postgres_server.process.freeze()
    limits = OperatorLimits(connect_timeout_ms=50)
    with pytest.raises(PostgresError, match="no answer to the connection attempt within 50 ms"):
        async with open_operator_session(postgres_target(database.processor_url), limits):
            pass


@pytest.mark.deployment("pgbouncer")
async def test_behind_a_pooler_that_shares_servers_nothing_of_it_reaches_others(
    database: Database, postgres_server: PostgresServer
) -> None:
    settings = {"default_pool_size": "1"}
    with launch_pgbouncer(postgres_server, pool_mode="transaction", settings=settings) as pooler:
        url = pooler.database(database.name).processor_url
        shown = "SELECT current_setting(name) FROM unnest(%s::text[]) name"
        names = ["statement_timeout", "row_security", "default_transaction_read_only", "TimeZone"]
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as other:
            before = other.execute(shown, (names,)).fetchall()
            async with open_operator_session(postgres_target(url)) as session:
                assert (await session.table_findings()).differences == ()
                assert other.execute(shown, (names,)).fetchall() == before
