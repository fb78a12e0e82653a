"""From a URL to a server: parameters, what may be shown of them, and what a failed connection says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from processor.edges.postgres.store import PostgresStore
from processor.errors import PostgresError
from telemetry.chassis.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dev.servers import Database, PostgresServer


from processor.edges.postgres.connecting import describe_hosts, parse_url


def test_half_open_connections_are_noticed_unless_the_url_says_otherwise() -> None:
    params = parse_url("postgresql://u@db/x?keepalives_idle=60")
    assert params["keepalives_idle"] == "60"
    assert params["tcp_user_timeout"] == "30000"


@pytest.mark.parametrize(
    ("url", "attributes"),
    [
        ("postgresql://u@db/x", None),
        ("postgresql://u@a,b/x", "read-write"),
        ("postgresql://u@a,b/x?target_session_attrs=primary", "primary"),
        ("postgresql://u@db/x?target_session_attrs=any", "any"),
    ],
)
def test_of_several_hosts_a_standby_is_passed_over(url: str, attributes: str | None) -> None:
    assert parse_url(url).get("target_session_attrs") == attributes


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://u:secret@db/x", "db:5432"),
        ("postgresql://u:secret@db1:6000,db2/x", "db1:6000,db2:5432"),
        ("postgresql://u:secret@db1,db2:7000/x", "db1:5432,db2:7000"),
        ("postgresql:///x?host=/run/postgresql&password=secret", "/run/postgresql:5432"),
        ("postgresql://u:p%40ss@[::1]:6000/x", "::1:6000"),
    ],
)
def test_hosts_and_ports_are_all_that_is_shown(url: str, shown: str) -> None:
    assert describe_hosts(parse_url(url)) == shown


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(database.processor_url, instance_id="processor-1")
    yield store
    await store.aclose()


async def test_without_a_server_the_error_names_host_and_port_only(
    store: PostgresStore, postgres_server: PostgresServer
) -> None:
    await trio.to_thread.run_sync(postgres_server.process.stop)
    with pytest.raises(PostgresError, match="failed: Connection refused; Is the") as caught:
        await store.connect()
    assert caught.value.where == f"127.0.0.1:{postgres_server.port}"
    assert caught.value.sqlstate is None
    assert postgres_server.processor_password not in str(caught.value)


async def test_a_wrong_password_is_reported_without_the_password(database: Database) -> None:
    url = database.processor_url.replace("processor:", "processor:wrong-")
    with pytest.raises(PostgresError, match="password authentication failed") as caught:
        await PostgresStore(url, instance_id="processor-1").connect()
    assert "wrong-" not in str(caught.value)
    assert not caught.value.connection_usable


async def test_an_unknown_database_is_reported(postgres_server: PostgresServer) -> None:
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
