"""The launchers of what surrounds servers in deployments: standby, pooler, link, replica, wrong clock."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dev.servers import (
    ServerError,
    dispense_with_standby,
    faked_clock,
    find_program,
    launch_pgbouncer,
    launch_postgres,
    launch_redis,
    launch_relay,
    launch_standby,
    programs,
    promote,
    require_standby,
)
from dev.servers.ports import free_port
from dev.servers.redis_users import ADMIN, redis_url
from dev.servers.relay import IDLE_FOREVER_S
from tests.support.processes import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import (
        Database,
        PostgresBinaries,
        PostgresServer,
        RedisBinary,
        RedisServer,
        Relay,
    )

DAY_S = 86_400


@pytest.fixture
def relay(redis_server: RedisServer) -> Iterator[Relay]:
    with launch_relay(redis_server.port) as relay:
        yield relay


def behind(relay: Relay) -> Redis:
    """A client that reaches its Redis through the relay, and never retries."""
    retry = Retry(NoBackoff(), 0)
    return Redis.from_url(
        redis_url(ADMIN, relay.port), socket_timeout=20, retry=retry, decode_responses=True
    )


def answers(client: Redis) -> bool:
    """Whether the server does, as far as the client can see."""
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@pytest.fixture
def client(relay: Relay) -> Iterator[Redis]:
    with behind(relay) as client:
        yield client


@pytest.mark.deployment
def test_a_commit_waits_for_a_standby_that_is_cut_off_and_is_not_on_it_when_it_is_promoted(
    postgres_binaries: PostgresBinaries,
) -> None:
    with (
        launch_postgres(postgres_binaries) as primary,
        launch_relay(primary.port) as link,
        launch_standby(primary, through_port=link.port) as standby,
        closing(psycopg.connect(primary.admin_url, autocommit=True)) as owner,
        closing(psycopg.connect(primary.admin_url, autocommit=True)) as writer,
    ):
        require_standby(primary)
        owner.execute("CREATE TABLE kept AS SELECT 1 AS n")
        link.frozen = True
        writer.pgconn.send_query(b"INSERT INTO kept VALUES (2)")
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        until(lambda: owner.execute(waiting).fetchone() == (1,), "the commit waits")
        primary.process.kill()
        promote(standby)
        with psycopg.connect(standby.admin_url) as heir:
            assert heir.execute("SELECT n FROM kept").fetchall() == [(1,)]
            heir.execute("INSERT INTO kept VALUES (3)")
    assert not standby.data_dir.exists()


@pytest.mark.deployment
def test_a_primary_that_dispenses_with_its_lost_standby_commits(
    postgres_binaries: PostgresBinaries,
) -> None:
    with launch_postgres(postgres_binaries) as primary:
        with launch_standby(primary):
            require_standby(primary)
        dispense_with_standby(primary)
        with psycopg.connect(primary.admin_url) as owner:
            owner.execute("CREATE TABLE kept (n int)")


@pytest.mark.deployment("pgbouncer")
@pytest.mark.parametrize("pool_mode", ["session", "transaction", "statement"])
def test_a_pooler_leads_to_its_servers_databases(
    postgres_server: PostgresServer, database: Database, pool_mode: str
) -> None:
    with launch_pgbouncer(postgres_server, pool_mode=pool_mode) as pooler:
        url = pooler.database(database.name).processor_url
        with psycopg.connect(url, autocommit=True) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("processor",)
        with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"):
            psycopg.connect(url, options="-c work_mem=1MB")
        with psycopg.connect(pooler.console_url, autocommit=True) as console:
            shown: dict[str, str] = dict(row[:2] for row in console.execute("SHOW CONFIG"))
        assert shown["pool_mode"] == pool_mode


@pytest.mark.deployment("pgbouncer")
def test_a_pooler_takes_settings(postgres_server: PostgresServer, database: Database) -> None:
    ignoring = {"ignore_startup_parameters": "options"}
    with launch_pgbouncer(postgres_server, pool_mode="session", settings=ignoring) as pooler:
        url = pooler.database(database.name).processor_url
        with psycopg.connect(url, options="-c work_mem=1MB") as connection:
            assert connection.execute("SHOW work_mem").fetchone() != ("1MB",)


def seconds_of_echoes(clients: list[Redis]) -> float:
    """The time until each client has sent 50,000 bytes and read them back, all at once."""
    for client in clients:
        client.ping()
    began = time.monotonic()
    with ThreadPoolExecutor() as threads:
        echoes = threads.map(lambda client: client.echo("x" * 50_000), clients)
        assert set(echoes) == {"x" * 50_000}
    return time.monotonic() - began


def test_a_relay_passes_on_at_the_speed_of_its_link(relay: Relay, client: Redis) -> None:
    assert seconds_of_echoes([client]) < 0.9
    relay.up.bytes_per_s = 50_000
    assert seconds_of_echoes([client]) > 0.9
    relay.up.bytes_per_s, relay.down.bytes_per_s = None, 50_000
    assert seconds_of_echoes([client]) > 0.9
    assert relay.up.passed_bytes > 150_000 < relay.down.passed_bytes


def test_the_connections_of_a_relay_share_its_speed(relay: Relay, client: Redis) -> None:
    relay.up.bytes_per_s = 100_000
    with behind(relay) as other:
        assert seconds_of_echoes([client, other]) > 0.9
    assert relay.accepted == 2


def test_a_relay_closes_connections_that_were_idle(relay: Relay, client: Redis) -> None:
    client.ping()
    relay.idle_close_s = 0.1
    until(lambda: relay.idle_closed == 1, "the connection is closed")
    # On a busy machine the next connection would be idle for as long.
    relay.idle_close_s = IDLE_FOREVER_S
    # The client makes a new one, once it has seen that; it may send into the old one just before.
    until(lambda: answers(client), "the client is connected again")
    assert relay.accepted == 2


def test_a_frozen_relay_passes_on_when_it_thaws(relay: Relay, client: Redis) -> None:
    client.ping()
    relay.frozen = True
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(client.ping)
        assert not wait([answer], 0.2).done
        relay.frozen = False
        assert answer.result()


def test_a_relay_that_is_pointed_elsewhere_leaves_its_connections_where_they_are_until_it_is_cut(
    relay: Relay, client: Redis, stream_name: str, redis_binary: RedisBinary
) -> None:
    client.set(stream_name, "here")
    with launch_redis(redis_binary) as other:
        relay.target_port = other.port
        assert client.get(stream_name) == "here"
        with behind(relay) as late:
            assert late.get(stream_name) is None
        relay.cut()
        until(lambda: leads_elsewhere(client, stream_name), "the client is led elsewhere")


def leads_elsewhere(client: Redis, key: str) -> bool:
    """Whether the key is missing where the client is connected to; False while its connection is being cut."""
    try:
        return client.get(key) is None
    except redis.ConnectionError:
        return False


def test_a_relay_whose_server_is_gone_closes_what_comes(relay: Relay, client: Redis) -> None:
    relay.target_port = free_port()
    with pytest.raises(redis.ConnectionError):
        client.ping()


def test_a_redis_that_follows_another_has_its_data_and_takes_no_writes_until_it_leads(
    redis_server: RedisServer, redis_client: Redis, stream_name: str, redis_binary: RedisBinary
) -> None:
    redis_client.set(stream_name, "kept")
    with launch_redis(redis_binary) as replica, Redis.from_url(replica.admin_url) as reader:
        replica.follow(redis_server)
        assert reader.get(stream_name) == b"kept"
        with pytest.raises(redis.ReadOnlyError):
            reader.set(stream_name, "other")
        replica.lead()
        reader.set(stream_name, "other")


@pytest.mark.deployment("faketime")
def test_a_process_sees_another_time_of_day_and_the_same_monotonic_one() -> None:
    program = "import time; print(time.time(), time.monotonic())"
    environment = {**os.environ, **faked_clock("-2d")}
    shown = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    ).stdout
    seen = [float(number) for number in shown.split()]
    assert seen == pytest.approx([time.time() - 2 * DAY_S, time.monotonic()], abs=60)


def test_the_error_for_a_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "SEARCH_PATH", "")
    with pytest.raises(ServerError, match="apt-get install pgbouncer"):
        find_program("pgbouncer")
