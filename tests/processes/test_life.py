"""A whole life of the service: its log lines, the fate of its entries, and its counts."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from dev.servers.ports import free_port
from tests.support.servers import GROUP, drive, entry

if TYPE_CHECKING:
    from dev.servers import PostgresServer, RedisServer
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

# The classes of the contract's rule 8; each id is in one of them.
LEDGER = (
    "read",
    "acked",
    "dead_lettered",
    "lost",
    "taken_over",
    "released",
    "left_pending",
    "released_unread",
)


def test_a_life_is_logged_in_the_running_systems_words(
    run: Run, servers: Servers, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    servers.create_group()
    service = run(INSTANCE_ID="p-7").ready()
    assert service.stop() == 0

    starting, postgres, redis, consumer, ready, stopping, stopped = service.lines
    assert starting["msg"] == f"processor starting version={starting['version']}"
    assert postgres["msg"] == f"Postgres connected host=127.0.0.1 port={postgres_server.port}"
    assert (postgres["host"], postgres["port"]) == ("127.0.0.1", postgres_server.port)
    assert redis["msg"] == f"Redis connected host=127.0.0.1 port={redis_server.port}"
    assert (redis["host"], redis["port"]) == ("127.0.0.1", redis_server.port)
    assert consumer["msg"] == (
        f"consumer started on stream {servers.stream} group processor consumer p-7"
    )
    assert (consumer["stream"], consumer["group"], consumer["consumer"]) == (
        servers.stream,
        GROUP,
        "p-7",
    )
    assert ready["msg"] == "processor ready"
    assert stopping["msg"] == "shutdown: starting signal=SIGTERM"
    assert stopping["signal"] == "SIGTERM"
    assert stopped["msg"] == "shutdown: clean exit"
    assert stopped["ledger"] == dict.fromkeys(LEDGER, 0)
    assert stopped["steps_ms"].keys() == {"intake", "stages", "release"}
    assert service.stderr == ""


def test_every_line_begins_with_time_level_service_and_instance(run: Run, servers: Servers) -> None:
    servers.create_group()
    service = run(INSTANCE_ID="p-7").ready()
    service.stop()
    for line in service.lines:
        assert list(line)[:5] == ["time", "level", "service", "instance_id", "msg"]
        assert datetime.fromisoformat(line["time"]).utcoffset() is not None
        assert (line["level"], line["service"], line["instance_id"]) == ("info", "processor", "p-7")


def test_batches_are_logged_at_debug_only(run: Run, servers: Servers) -> None:
    servers.publish_at_once(drive(3))
    quiet = run().ready()
    quiet.until_metrics(acks_total=3)
    quiet.stop()
    assert not quiet.logged("batch")

    first, *_, last = servers.publish_at_once([*drive(2), entry(11, 0)])
    talking = run(LOG_LEVEL="debug").ready()
    consumed = talking.wait_for("batch consumed")
    written = talking.wait_for("batch written")
    talking.stop()
    assert consumed["msg"] == "batch consumed n=3"
    assert consumed["level"] == written["level"] == "debug"
    assert (consumed["n"], consumed["first_id"], consumed["last_id"]) == (3, first, last)
    assert consumed["redelivered"] is False
    assert written["msg"] == "batch written inserted=1 duplicates=2 failed=0"
    assert (written["inserted"], written["duplicates"], written["failed"]) == (1, 2, 0)
    assert written["duration_ms"] > 0


def test_entries_from_before_and_after_the_start_become_rows_once(
    run: Run, servers: Servers
) -> None:
    servers.publish(drive(1_000))
    service = run().ready()
    servers.publish(drive(500, first_second=1_000))
    seen = service.until_metrics(
        acks_total=1_500, consumer_lag=0, pending_entries=0, in_flight_records=0
    )
    assert servers.rows() == 1_500
    assert servers.pending() == 0
    assert seen["consumer_records_total"] == 1_500
    assert seen['position_writes_total{status="inserted"}'] == 1_500
    assert seen['position_writes_total{status="duplicate"}'] == 0
    assert seen['position_writes_total{status="failed"}'] == 0
    assert seen['consumer_reads_total{result="ok"}'] >= 1
    assert seen['consumer_reads_total{result="error"}'] == 0
    assert sum(seen[name] for name in seen if name.startswith("decode_errors_total")) == 0
    assert seen["position_write_duration_seconds_count"] >= 1
    assert seen["device_state_size"] == 10
    assert seen["device_state_evictions_total"] == 0
    assert seen['dependency_ready{dependency="redis"}'] == 1
    assert seen['dependency_ready{dependency="postgres"}'] == 1
    assert service.stop() == 0
    assert service.ledger == {"read": 1_500, "acked": 1_500}


def test_reads_that_find_nothing_are_counted_as_empty(run: Run) -> None:
    service = run(BATCH_BLOCK_MS="10").ready()
    service.until_metrics(**{'consumer_reads_total{result="empty"}': 5})


def test_duplicates_are_counted_within_a_batch_across_batches_and_against_the_table(
    run: Run, servers: Servers
) -> None:
    servers.publish_at_once([*drive(100), *drive(30), entry(0, 0)])
    service = run().ready()
    within = service.until_metrics(acks_total=131)
    assert within['position_writes_total{status="inserted"}'] == 100
    assert within['position_writes_total{status="duplicate"}'] == 31

    servers.publish_at_once([*drive(40), *drive(60, first_second=1_000)])
    across = service.until_metrics(acks_total=231)
    assert across['position_writes_total{status="inserted"}'] == 160
    assert across['position_writes_total{status="duplicate"}'] == 71
    assert across['position_writes_total{status="failed"}'] == 0
    assert servers.rows() == 160
    assert servers.pending() == 0


def test_the_first_write_of_a_position_wins(run: Run, servers: Servers) -> None:
    servers.publish_at_once([entry(1, 0, speed=10), entry(1, 0, speed=20)])
    service = run().ready()
    service.until_metrics(acks_total=2)
    servers.publish([entry(1, 0, speed=30)])
    service.until_metrics(acks_total=3)
    with servers.owner() as connection:
        assert connection.execute("SELECT speed, faulty FROM positions").fetchall() == [
            (10.0, False)
        ]


def test_the_device_states_are_bounded_and_evictions_counted(run: Run, servers: Servers) -> None:
    servers.publish_at_once(drive(25, devices=25))
    service = run(DEVICE_STATE_LRU_CAP="10").ready()
    seen = service.until_metrics(acks_total=25)
    assert seen["device_state_size"] == 10
    assert seen["device_state_evictions_total"] == 15


def test_a_misnamed_stream_is_warned_of_and_created(run: Run, servers: Servers) -> None:
    service = run().ready()
    [warning] = service.logged(f"stream {servers.stream} did not exist")
    assert warning["level"] == "warn"
    assert warning["stream"] == servers.stream
    assert "REDIS_TELEMETRY_STREAM" in warning["msg"]
    assert [group["name"] for group in servers.redis.xinfo_groups(servers.stream)] == [
        GROUP.encode()
    ]
    status, state = service.readyz()
    assert (status, state["status"], state["reasons"]) == (200, "ready", {})


def test_an_existing_stream_without_the_group_is_read_from_its_beginning_without_a_warning(
    run: Run, servers: Servers
) -> None:
    servers.publish(drive(5))
    service = run().ready()
    service.until_metrics(acks_total=5)
    assert not service.logged("stream ")


def test_both_servers_are_reached_over_unix_sockets(
    run: Run, servers: Servers, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    servers.publish(drive(50))
    by_socket = f"postgresql://processor:{postgres_server.processor_password}@"
    service = run(
        REDIS_URL=redis_server.unix_url,
        POSTGRES_URL=(
            f"{by_socket}/{servers.database.name}"
            f"?host={postgres_server.socket_dir}&port={postgres_server.port}"
        ),
    ).ready()
    service.until_metrics(acks_total=50)
    assert servers.rows() == 50
    [redis] = service.logged("Redis connected")
    assert redis["msg"] == f"Redis connected host={redis_server.unix_socket}"
    [postgres] = service.logged("Postgres connected")
    assert postgres["host"] == str(postgres_server.socket_dir)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "localhost"])  # noqa: S104
def test_the_images_health_check_finds_the_service_by_its_own_environment(
    run: Run, host: str
) -> None:
    where = {"METRICS_HOST": host, "METRICS_PORT": str(free_port())}
    check = [sys.executable, "-m", "processor", "healthcheck"]
    service = run(**where).ready()
    subprocess.run(check, env=where, check=True)
    service.stop()
    failed = subprocess.run(check, env=where, capture_output=True, check=False)
    assert (failed.returncode, failed.stderr.count(b"\n")) == (1, 1)
