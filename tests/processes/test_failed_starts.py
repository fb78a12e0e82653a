"""Starts that cannot succeed: the exit code shows why, the message says what to do, and no password appears."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from dev.servers.ports import free_port
from tests.support.timescaledb import pretend_timescaledb

if TYPE_CHECKING:
    from dev.servers import PostgresServer, RedisServer
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

SECRET = "correct-horse"
FEW_TRIES = {"CONNECT_ATTEMPTS": "3", "CONNECT_BACKOFF_MAX_MS": "20"}


def test_a_bad_environment_is_one_message_that_names_every_bad_variable(run: Run) -> None:
    service = run(
        REDIS_URL=f"http://:{SECRET}@127.0.0.1",
        POSTGRES_URL="",
        BATCH_SIZE="0",
        WRITERS="two",
        LOG_LEVEL="loud",
        DRAIN_BUDGET_MS="40000",
    )
    assert service.wait() == 78
    assert service.lines == []
    head, *faults = service.stderr.splitlines()
    assert head == "processor: bad configuration"
    assert [fault.split(":")[0].strip() for fault in faults] == [
        "REDIS_URL",
        "POSTGRES_URL",
        "LOG_LEVEL",
        "BATCH_SIZE",
        "WRITERS",
        "SHUTDOWN_TIMEOUT_MS",
    ]
    assert SECRET not in service.stderr


def test_a_port_in_use_is_bad_configuration(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        service = run(METRICS_PORT=str(port))
        assert service.wait() == 78
    assert service.lines[-1]["level"] == "fatal"
    assert "METRICS_PORT" in service.lines[-1]["msg"]
    assert f"127.0.0.1:{port}" in service.lines[-1]["msg"]


@pytest.mark.parametrize(
    ("variable", "url", "dependency"),
    [
        ("POSTGRES_URL", "postgresql://processor:{secret}@127.0.0.1:{port}/t", "Postgres"),
        ("REDIS_URL", "redis://:{secret}@127.0.0.1:{port}", "Redis"),
    ],
)
def test_an_unreachable_server_is_tried_with_pauses_and_then_named(
    run: Run, variable: str, url: str, dependency: str
) -> None:
    port = free_port()
    service = run(**{variable: url.format(secret=SECRET, port=port)}, **FEW_TRIES)
    assert service.wait() == 4
    tries = service.logged(f"{dependency} unreachable")
    assert [(line["level"], line["attempt"], line["attempts_max"]) for line in tries] == [
        ("warn", 1, 3),
        ("warn", 2, 3),
    ]
    assert all(0 <= line["retry_ms"] <= 20 for line in tries)
    last = service.lines[-1]
    assert last["level"] == "fatal"
    assert last["msg"].startswith(f"cannot start: 127.0.0.1:{port}: ")
    assert last["where"] == f"127.0.0.1:{port}"
    assert SECRET not in service.report() + str(service.lines)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ("password", 'password authentication failed for user "processor"'),
        ("database", f'database "{SECRET}" does not exist'),
        ("user", f'password authentication failed for user "{SECRET}"'),
    ],
)
def test_a_postgres_that_refuses_us_is_quoted_in_its_own_words(
    run: Run, servers: Servers, postgres_server: PostgresServer, changed: str, words: str
) -> None:
    parts = {
        "user": "processor",
        "password": postgres_server.processor_password,
        "database": servers.database.name,
        changed: SECRET,
    }
    place = f"127.0.0.1:{postgres_server.port}"
    url = f"postgresql://{parts['user']}:{parts['password']}@{place}/{parts['database']}"
    service = run(POSTGRES_URL=url, **FEW_TRIES)
    assert service.wait() == 4
    last = service.lines[-1]["msg"]
    assert last.startswith(f"cannot start: {place}: ")
    assert f"the server refused: {words}; the server answers: change what it objects to" in last
    assert not service.logged("Postgres unreachable")
    assert [line["attempt"] for line in service.logged("Postgres refuses")] == [1, 2]
    if changed == "password":
        assert SECRET not in service.report() + str(service.lines)


def test_a_redis_that_does_not_let_us_in_is_named(run: Run, redis_server: RedisServer) -> None:
    place = f"127.0.0.1:{redis_server.port}"
    service = run(REDIS_URL=f"redis://nobody:{SECRET}@{place}", **FEW_TRIES)
    assert service.wait() == 4
    assert [line["attempt"] for line in service.logged("Redis refuses")] == [1, 2]
    assert service.lines[-1]["msg"].startswith(f"cannot start: {place}: ")
    assert SECRET not in service.report() + str(service.lines)


@pytest.mark.parametrize(
    ("statement", "difference"),
    [
        ("DROP TABLE positions", "table public.positions is missing, with the columns device_id"),
        ("ALTER TABLE positions DROP COLUMN speed", "column speed (real) is missing"),
        (
            "REVOKE INSERT ON positions FROM processor",
            "privilege INSERT on table public.positions is missing",
        ),
        ("REVOKE USAGE ON SCHEMA public FROM processor", "privilege USAGE on schema public"),
        ("DROP INDEX positions_device_ts", "no unique index on exactly (device_id, ts)"),
    ],
)
def test_each_difference_of_the_table_to_the_contract_is_named(
    run: Run, servers: Servers, statement: str, difference: str
) -> None:
    servers.own(statement)
    service = run()
    assert service.wait() == 5
    last = service.lines[-1]
    assert last["level"] == "fatal"
    assert last["msg"].startswith("cannot start: the schema is not what it should be: ")
    assert any(line.startswith(difference) for line in last["differences"])
    assert not service.logged("Redis connected")


def test_a_timescaledb_that_drops_rows_of_a_compressed_table_is_refused_with_what_to_do(
    run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    pretend_timescaledb(postgres_server, servers.database, "2.17.2", compressed=True)
    service = run()
    assert service.wait() == 5
    [difference] = service.lines[-1]["differences"]
    assert difference.startswith("TimescaleDB 2.17.2 drops new rows")
    assert "update the extension to 2.18.1 or newer" in difference
    assert difference in service.lines[-1]["msg"]


def test_a_missing_index_of_readers_is_a_warning(run: Run, servers: Servers) -> None:
    servers.own("DROP INDEX positions_ts")
    service = run().ready()
    [warning] = service.logged("schema: index positions_ts")
    assert warning["level"] == "warn"
