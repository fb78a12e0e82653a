"""SIGTERM and SIGINT: no new reads; everything read is written and acknowledged; the exit code is 0."""

from __future__ import annotations

import time
from signal import SIGINT, SIGTERM
from typing import TYPE_CHECKING

import pytest

from dev.servers.ports import free_port
from tests.support.servers import GROUP, drive

if TYPE_CHECKING:
    from signal import Signals

    from dev.servers import PostgresServer, RedisServer
    from tests.processes.conftest import Run
    from tests.support.servers import Fields, Servers

# The interpreter's own end on a busy machine, beyond the time that the contract allows.
EXIT_S = 1.0
# The greatest value that the configuration accepts.
CLAIM_THRESHOLD_MS_MAX = 3_600_000


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
def test_an_idle_service_stops_at_once_and_not_after_its_blocked_read(
    run: Run, number: Signals
) -> None:
    service = run(BATCH_BLOCK_MS="60000").ready()
    asked = time.monotonic()
    assert service.stop(number) == 0
    assert time.monotonic() - asked < 2.0
    assert service.messages[-2:] == [
        f"shutdown: starting signal={number.name}",
        "shutdown: clean exit",
    ]


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
def test_under_load_everything_that_was_read_is_written_and_acknowledged(
    run: Run, servers: Servers, number: Signals
) -> None:
    servers.publish(drive(30_000))
    service = run(BATCH_SIZE="500", WRITE_BATCH_SIZE="1000").ready()
    servers.until_rows(1)
    assert service.stop(number) == 0

    assert 0 < servers.rows() < 30_000
    assert service.ledger == {"read": servers.rows(), "acked": servers.rows()}
    assert servers.pending() == 0
    assert servers.undelivered() == 30_000 - servers.rows()
    assert [line["level"] for line in service.lines[-2:]] == ["info", "info"]
    assert service.lines[-1]["signal"] == number.name


def test_a_stop_request_while_python_is_still_loading_is_a_clean_exit(run: Run) -> None:
    service = run()
    service.until_it_minds(SIGTERM)
    assert service.stop() == 0
    assert service.stderr == ""


def test_a_stop_request_after_the_clean_exit_does_not_change_the_exit_code(run: Run) -> None:
    service = run().ready()
    service.send()
    service.wait_for("shutdown: clean exit")
    assert service.stop() == 0


def test_what_a_life_leaves_undelivered_is_the_next_ones(run: Run, servers: Servers) -> None:
    servers.publish(drive(10_000))
    first = run(BATCH_SIZE="200", WRITE_BATCH_SIZE="200").ready()
    servers.until_rows(1)
    assert first.stop() == 0
    second = run().ready()
    servers.until_settled()
    assert second.stop() == 0
    assert servers.rows() == 10_000
    assert first.ledger["acked"] + second.ledger["acked"] == 10_000


@pytest.mark.parametrize(
    ("variable", "url", "dependency"),
    [
        ("POSTGRES_URL", "postgresql://processor@127.0.0.1:{port}/telemetry", "Postgres"),
        ("REDIS_URL", "redis://127.0.0.1:{port}", "Redis"),
    ],
)
def test_a_stop_before_it_is_ready_is_a_clean_exit(
    run: Run, variable: str, url: str, dependency: str
) -> None:
    service = run(
        **{variable: url.format(port=free_port())},
        CONNECT_ATTEMPTS="1000",
        CONNECT_BACKOFF_MAX_MS="60000",
    )
    service.wait_for(f"{dependency} unreachable", count=2)
    assert service.stop() == 0
    assert service.messages[-2:] == ["shutdown: starting signal=SIGTERM", "shutdown: clean exit"]


def test_a_stop_while_a_frozen_server_is_being_connected_to_is_a_clean_exit(
    run: Run, postgres_server: PostgresServer
) -> None:
    postgres_server.process.freeze()
    service = run()
    service.wait_for("processor starting")
    asked = time.monotonic()
    assert service.stop() == 0
    assert time.monotonic() - asked < 2.0


def test_a_group_that_was_set_back_counts_each_entry_once_and_is_a_clean_exit(
    run: Run, servers: Servers
) -> None:
    service = run().ready()
    poison: Fields = {"codec": "8E", "payload": "{"}
    servers.publish([*drive(20), *[poison] * 3])
    service.until_metrics(acks_total=20, in_flight_records=0)
    # A replica that was behind its master does the same when it is promoted, without notice.
    servers.redis.xgroup_setid(servers.stream, GROUP, "0")
    service.until_metrics(acks_total=40, consumer_records_total=46, in_flight_records=0)
    assert service.stop() == 0
    assert service.ledger == {"read": 23, "acked": 20, "left_pending": 3}
    assert servers.rows() == 20


def test_what_a_former_life_was_given_and_nobody_read_is_released_and_counted_apart(
    run: Run, servers: Servers
) -> None:
    service = run(CLAIM_INTERVAL_MS="60000").ready()
    service.until_metrics(**{'consumer_reads_total{result="empty"}': 1})
    ids = servers.publish_abandoned(drive(30), consumer="processor-1")
    assert service.stop() == 0
    assert service.ledger == {"released_unread": 30}
    assert_claimable_at_once(servers, ids)


def assert_claimable_at_once(servers: Servers, ids: list[str]) -> None:
    """The entries are pending, and idle for longer than any threshold."""
    left = servers.pending_entries()
    assert list(left) == ids
    assert all(each.idle_ms >= CLAIM_THRESHOLD_MS_MAX for each in left.values())


def test_a_second_signal_ends_the_drain_at_once(
    run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    service = run(DRAIN_BUDGET_MS="25000").ready()
    postgres_server.process.freeze()
    ids = servers.publish_at_once(drive(100))
    service.until_metrics(in_flight_records=100)
    service.send(SIGTERM)
    service.wait_for("shutdown: starting")
    asked = time.monotonic()
    assert service.stop(SIGINT) == 3
    assert time.monotonic() - asked < 1.0 + EXIT_S
    assert service.messages[-1] == "shutdown: timed out released=100 left=0"
    assert service.lines[-1]["level"] == "error"
    assert_claimable_at_once(servers, ids)


def test_a_drain_that_exceeds_its_budget_releases_the_rest_to_any_other_instance(
    run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    service = run(DRAIN_BUDGET_MS="1500").ready()
    postgres_server.process.freeze()
    ids = servers.publish_at_once(drive(100))
    service.until_metrics(in_flight_records=100)
    asked = time.monotonic()
    assert service.stop() == 3
    assert 1.5 <= time.monotonic() - asked < 1.5 + 1.0 + EXIT_S
    assert service.messages[-1] == "shutdown: timed out released=100 left=0"
    assert (service.lines[-1]["released"], service.lines[-1]["left"]) == (100, 0)
    assert_claimable_at_once(servers, ids)

    postgres_server.process.thaw()
    heir = run(INSTANCE_ID="processor-2").ready()
    heir.until_metrics(acks_total=100)
    assert servers.pending() == 0
    assert servers.rows() == 100


def test_the_drain_waits_for_a_server_that_comes_back_within_the_budget(
    run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    service = run(DRAIN_BUDGET_MS="25000").ready()
    postgres_server.process.freeze()
    servers.publish_at_once(drive(100))
    service.until_metrics(in_flight_records=100)
    service.send(SIGTERM)
    service.wait_for("shutdown: starting")
    postgres_server.process.thaw()
    assert service.wait() == 0
    assert servers.rows() == 100
    assert servers.pending() == 0


def test_a_draining_service_is_alive_and_not_ready(
    run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    service = run(DRAIN_BUDGET_MS="25000").ready()
    postgres_server.process.freeze()
    servers.publish_at_once(drive(1))
    service.until_metrics(in_flight_records=1)
    service.send(SIGTERM)
    assert service.until_not_ready("phase") == "draining"
    assert service.get("/healthz")[0] == 200
    assert service.stop() == 3


def test_a_frozen_redis_does_not_hold_up_the_stop_beyond_the_budget(
    run: Run, redis_server: RedisServer
) -> None:
    service = run(DRAIN_BUDGET_MS="1500", BATCH_BLOCK_MS="60000").ready()
    redis_server.process.freeze()
    asked = time.monotonic()
    assert service.stop() == 0
    assert time.monotonic() - asked < 1.5 + 1.0 + EXIT_S
