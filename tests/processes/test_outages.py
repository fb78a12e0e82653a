"""Servers that freeze, restart or hang up under load: nothing is lost, nothing is written twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import until
from tests.support.servers import drive

if TYPE_CHECKING:
    from dev.servers import PostgresServer, RedisServer
    from tests.processes.conftest import Run
    from tests.support.processes import Service
    from tests.support.servers import Servers

ENTRIES = 6_000
# Small reads and writes, so that an outage hits many of them.
SMALL = {
    "BATCH_SIZE": "200",
    "WRITE_BATCH_SIZE": "400",
    "CONNECT_BACKOFF_MAX_MS": "200",
    "BATCH_BLOCK_MS": "100",
}


def under_load(run: Run, servers: Servers) -> Service:
    """A service that has written some of ENTRIES and is not finished."""
    servers.publish(drive(ENTRIES // 2))
    service = run(**SMALL).ready()
    servers.until_rows(1)
    return service


def until_all_is_written(service: Service, servers: Servers, *, more: int = 0) -> None:
    """Publish the rest, wait until it is settled, and compare everything that can be counted.

    `more` entries beside ENTRIES have been published meanwhile.
    """
    servers.publish(drive(ENTRIES // 2, first_second=ENTRIES))
    entries = ENTRIES + more
    servers.until_settled()
    service.until_ready_again()
    assert servers.rows() == entries
    seen = service.until_metrics(acks_total=entries, in_flight_records=0, pending_entries=0)
    # If the answer to a commit was lost, the second try finds its rows in the table and counts them
    # as duplicates. Each record counts once in any case.
    inserted = seen['position_writes_total{status="inserted"}']
    assert inserted + seen['position_writes_total{status="duplicate"}'] == entries
    assert seen['position_writes_total{status="failed"}'] == 0
    assert service.stop() == 0
    assert service.ledger == {"read": entries, "acked": entries}


def test_a_frozen_postgres_is_waited_for(
    run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    service = under_load(run, servers)
    postgres_server.process.freeze()
    # Even if some of the load was already written, enough is left to fill the writer.
    servers.publish(drive(1_000, first_second=3 * ENTRIES))
    until(lambda: service.metrics()["in_flight_records"] >= 600, "reading has run into the writer")
    assert servers.redis.ping()
    postgres_server.process.thaw()
    until_all_is_written(service, servers, more=1_000)
    assert not service.logged("batch failed")


def test_a_stopped_postgres_makes_it_unready_until_it_is_back(
    run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    service = under_load(run, servers)
    postgres_server.process.stop()
    assert f"{postgres_server.host}:{postgres_server.port}" in service.until_not_ready("postgres")
    line = service.wait_for("batch failed and is written again")
    assert (line["level"], line["attempt"]) == ("warn", 1)
    assert service.get("/healthz")[0] == 200
    assert service.metrics()['dependency_ready{dependency="postgres"}'] == 0
    postgres_server.process.start()
    until_all_is_written(service, servers)


def test_a_killed_postgres_is_written_to_again_when_it_is_back(
    run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    service = under_load(run, servers)
    postgres_server.process.kill()
    service.until_not_ready("postgres")
    postgres_server.process.start()
    until_all_is_written(service, servers)


def test_terminated_sessions_cost_a_reconnection_each(run: Run, servers: Servers) -> None:
    service = under_load(run, servers)
    for hour in range(1, 4):
        for pid in servers.sessions_of_the_processor():
            servers.own(f"SELECT pg_terminate_backend({pid})")
        servers.publish(drive(100, first_second=100_000 + 3_600 * hour))
        until(servers.sessions_of_the_processor, "a new session")
    until_all_is_written(service, servers, more=300)


def restart(redis_server: RedisServer) -> None:
    redis_server.process.restart()


def kill_and_start(redis_server: RedisServer) -> None:
    redis_server.process.kill()
    redis_server.process.start()


@pytest.mark.parametrize("outage", [restart, kill_and_start])
def test_a_redis_that_comes_back_with_its_data_is_read_on(
    run: Run, servers: Servers, redis_server: RedisServer, outage: Callable[[RedisServer], None]
) -> None:
    service = under_load(run, servers)
    outage(redis_server)
    until_all_is_written(service, servers)
    assert not service.logged("consumer group is gone")


def test_a_redis_that_is_away_makes_it_unready_until_it_is_back(
    run: Run, servers: Servers, redis_server: RedisServer
) -> None:
    service = under_load(run, servers)
    redis_server.process.stop()
    assert f"{redis_server.host}:{redis_server.port}" in service.until_not_ready("redis")
    service.wait_for("Redis unreachable")
    assert service.metrics()['dependency_ready{dependency="redis"}'] == 0
    redis_server.process.start()
    until_all_is_written(service, servers)


def test_a_frozen_redis_is_given_up_and_connected_to_again_when_it_thaws(
    run: Run, servers: Servers, redis_server: RedisServer
) -> None:
    service = under_load(run, servers)
    redis_server.process.freeze()
    assert "no answer in time" in service.until_not_ready("redis")
    assert service.get("/healthz")[0] == 200
    redis_server.process.thaw()
    until_all_is_written(service, servers)


def test_killed_redis_connections_are_replaced_and_what_they_swallowed_is_read_again(
    run: Run, servers: Servers
) -> None:
    service = under_load(run, servers)
    for _ in range(3):
        until(
            lambda: servers.connections().keys() == {"claims", "control", "reader", "requests"},
            "connections",
        )
        for client_id in servers.connections().values():
            servers.redis.client_kill_filter(_id=client_id)
    until_all_is_written(service, servers)


def test_an_idle_service_notices_that_postgres_is_gone_or_frozen(
    run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    service = run().ready()
    postgres_server.process.freeze()
    service.until_not_ready("postgres")
    postgres_server.process.thaw()
    service.until_ready_again()
    postgres_server.process.stop()
    service.until_not_ready("postgres")
    postgres_server.process.restore()
    service.until_ready_again()
    servers.publish(drive(10))
    servers.until_settled()
    assert servers.rows() == 10


def test_a_session_that_became_read_only_is_given_up_for_a_new_one(
    run: Run, servers: Servers
) -> None:
    service = run(CONNECT_BACKOFF_MAX_MS="200").ready()
    # As a server does, after a failover, to the sessions that it had before.
    servers.own(
        "CREATE TABLE failover AS SELECT clock_timestamp() AS happened_at",
        "GRANT SELECT ON failover TO processor",
        "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF EXISTS (SELECT FROM pg_stat_activity, failover"
        "            WHERE pid = pg_backend_pid() AND backend_start < happened_at)"
        " THEN RAISE EXCEPTION 'read-only' USING ERRCODE = '25006'; END IF; RETURN new; END $$",
        "CREATE TRIGGER act BEFORE INSERT ON positions FOR EACH ROW EXECUTE FUNCTION act()",
    )
    servers.publish(drive(10))
    assert service.wait_for("batch failed")["sqlstate"] == "25006"
    servers.until_settled()
    assert servers.rows() == 10


def test_entries_that_are_read_twice_in_one_life_count_once_in_its_ledger(
    run: Run, servers: Servers
) -> None:
    bad = [{**each, "payload": "no json"} for each in drive(5)]
    servers.publish([*drive(50), *bad])
    service = run(
        CLAIM_THRESHOLD_MS="300", CLAIM_INTERVAL_MS="100", DLQ_MAX_ATTEMPTS="1000"
    ).ready()
    until(
        lambda: service.metrics()["consumer_records_total"] >= 60, "refused entries are read again"
    )
    assert service.stop() == 0
    assert service.ledger == {"read": 55, "acked": 50, "left_pending": 5}


def test_a_destroyed_group_is_created_again_and_logged(run: Run, servers: Servers) -> None:
    service = run().ready()
    servers.publish(drive(100))
    service.until_metrics(acks_total=100)
    servers.redis.xgroup_destroy(servers.stream, "processor")
    line = service.wait_for("consumer group is gone")
    assert line["level"] == "error"
    service.until_metrics(acks_total=200)
    assert servers.rows() == 100
    service.until_ready_again()
    assert service.stop() == 0
    assert service.ledger == {"read": 100, "acked": 100}


def test_a_deleted_stream_is_created_again_and_logged(run: Run, servers: Servers) -> None:
    service = run().ready()
    servers.publish(drive(100))
    service.until_metrics(acks_total=100)
    servers.redis.delete(servers.stream)
    service.wait_for("consumer group is gone")
    until(lambda: servers.redis.exists(servers.stream), "the stream")
    servers.publish(drive(100, first_second=1_000))
    service.until_metrics(acks_total=200)
    assert servers.rows() == 200
