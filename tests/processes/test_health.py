"""`/healthz` and `/readyz` of real processes: a task that stands still, servers that do, and a group that is gone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.processes import PROCESSOR, WAIT_S_MAX, Service, until
from tests.support.servers import drive

if TYPE_CHECKING:
    from dev.servers import PostgresServer, RedisServer
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

STANDING_STILL = Path(__file__).parents[1] / "support" / "standing_still.py"
STALL_MS = 500


def healthz(service: Service) -> tuple[int, dict[str, Any]]:
    status, body = service.get("/healthz")
    return status, json.loads(body)


def healthcheck(service: Service) -> tuple[int, list[str]]:
    """Exit code and lines of the image's health check."""
    host, _, port = service.address.rpartition(":")
    checked = subprocess.run(
        [PROCESSOR, "healthcheck"],
        env={"METRICS_HOST": host, "METRICS_PORT": port},
        capture_output=True,
        text=True,
        timeout=WAIT_S_MAX,
        check=False,
    )
    return checked.returncode, [*checked.stdout.splitlines(), *checked.stderr.splitlines()]


def test_a_writer_that_stands_still_makes_the_service_unhealthy_and_is_named(
    run: Run, servers: Servers
) -> None:
    service = run(
        program=[sys.executable, STANDING_STILL, "run"],
        STALL_MS=str(STALL_MS),
        # Reads wait for longer than a task may stand still.
        BATCH_BLOCK_MS="60000",
        PYTHONPATH=str(Path(__file__).parents[2]),
    ).ready()
    until(lambda: service.readyz()[0] == 200, "it is ready")
    assert healthz(service) == (200, {"status": "alive", "phase": "running"})
    assert healthcheck(service) == (0, [])

    servers.publish_at_once(drive(10))
    until(lambda: healthz(service)[0] == 503, "it is unhealthy")
    status, body = healthz(service)
    assert (status, set(body), body["status"]) == (503, {"status", "tasks"}, "stalled")
    [task] = body["tasks"]
    assert task["name"] == "writer-1"
    assert STALL_MS / 1000 <= task["stalled_s"] < WAIT_S_MAX
    code, [line] = healthcheck(service)
    assert code == 1
    assert "stalled" in line
    assert "writer-1" in line
    assert "writer-1" in service.until_not_ready("consumer")
    assert servers.pending() == 10


def test_servers_that_stand_still_do_not_make_the_service_unhealthy(
    run: Run, servers: Servers, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    service = run(
        STALL_MS=str(STALL_MS),
        BATCH_BLOCK_MS="60000",
        CONNECT_BACKOFF_MAX_MS="2000",
        # The renewal of leases is what misses Redis.
        CLAIM_THRESHOLD_MS="3000",
    ).ready()
    servers.publish_at_once(drive(10))
    service.until_metrics(acks_total=10)
    postgres_server.process.freeze()
    servers.publish_at_once(drive(10, first_second=100))
    service.until_metrics(in_flight_records=10)
    redis_server.process.freeze()
    unhealthy: list[dict[str, Any]] = []

    def both_are_missed() -> bool:
        status, body = healthz(service)
        if status != 200:
            unhealthy.append(body)
        return {"redis", "postgres"} <= set(service.readyz()[1]["reasons"])

    until(both_are_missed, "it misses both servers")
    redis_server.process.thaw()
    postgres_server.process.thaw()
    service.until_ready_again()
    servers.until_settled()
    assert unhealthy == []
    assert healthz(service)[0] == 200
    assert service.stop() == 0


def test_a_write_that_the_server_holds_up_does_not_make_the_service_unhealthy(
    run: Run, servers: Servers
) -> None:
    passes_in_a_stall = 4
    service = run(
        STALL_MS=str(STALL_MS), CLAIM_INTERVAL_MS=str(STALL_MS // passes_in_a_stall)
    ).ready()
    with servers.inserts_held():
        servers.publish_at_once(drive(10))
        servers.until_writers_wait()
        for _ in range(3 * passes_in_a_stall):
            servers.until_claim_passes(1)
            assert healthz(service)[0] == 200
    service.until_metrics(acks_total=10)
    assert service.stop() == 0


def test_a_stream_that_cannot_be_read_is_the_consumers_trouble_until_it_can(
    run: Run, servers: Servers
) -> None:
    service = run(CONNECT_BACKOFF_MAX_MS="200").ready()
    until(lambda: service.readyz()[0] == 200, "it is ready")
    servers.redis.set(servers.stream, "no stream")
    service.until_not_ready("consumer")
    assert json.loads(service.get("/status.json")[1])["group"]["exists"] is False
    servers.redis.delete(servers.stream)
    service.until_ready_again()
    servers.publish(drive(10))
    service.until_metrics(acks_total=10)
    assert service.stop() == 0
