"""Outages of hundreds of claim passes: no failure is counted, and everything is written afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dev.schema import apply_schema
from tests.support.processes import until
from tests.support.servers import drive, entry

if TYPE_CHECKING:
    from dev.servers import PostgresServer
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

# Time is compressed a thousand times: this threshold stands for one of a minute.
COMPRESSED = {
    "CLAIM_THRESHOLD_MS": "60",
    "CLAIM_INTERVAL_MS": "15",
    "BATCH_BLOCK_MS": "20",
    "CONNECT_BACKOFF_MAX_MS": "50",
    "BATCH_SIZE": "500",
    "WRITE_BATCH_SIZE": "1000",
}
PASSES = 300
HALF = 20_000
# In flight: two batches for each writer, and the one that was just read.
GROWTH_BYTES_MAX = 64 * 1024 * 1024


@pytest.mark.parametrize("outage", ["stop", "freeze"])
def test_an_outage_of_hundreds_of_claim_passes_adds_no_attempt_to_anything(
    run: Run, servers: Servers, postgres_server: PostgresServer, outage: str
) -> None:
    service = run(**COMPRESSED).ready()
    servers.publish(drive(HALF, devices=50))
    servers.until_rows(HALF // 2)
    before = service.rss_bytes()
    getattr(postgres_server.process, outage)()
    service.until_not_ready("postgres")
    servers.publish(drive(HALF, devices=50, first_second=10_000))
    # When the writer is full nothing more is claimed, so renewals count as well.
    seen = servers.calls("xautoclaim", "xclaim")
    until(lambda: servers.calls("xautoclaim", "xclaim") > seen + PASSES, f"{PASSES} passes")
    held = servers.pending_entries()
    assert held
    assert {each.deliveries for each in held.values()} == {1}
    assert servers.attempts() == {}
    assert servers.dead_letters() == []
    assert service.rss_bytes() - before < GROWTH_BYTES_MAX
    assert servers.undelivered()

    postgres_server.process.restore()
    servers.until_settled()
    servers.assert_promise_kept(rows=2 * HALF)
    assert service.metrics()['position_writes_total{status="failed"}'] == 0
    assert not service.logged("record refused")
    assert service.stop() == 0
    assert service.ledger == {"read": 2 * HALF, "acked": 2 * HALF}


def test_a_table_that_is_missing_at_run_time_is_named_until_it_is_there_again(
    run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    service = run(**COMPRESSED).ready()
    servers.publish(drive(100))
    service.until_metrics(acks_total=100)
    servers.own("DROP TABLE positions")
    ids = servers.publish_at_once([*drive(100, first_second=1_000), entry(1, -1, speed="fast")])
    service.wait_for("batch failed and is written again")
    assert "table public.positions is missing" in service.until_not_ready("schema")
    servers.until_claim_passes(20)
    assert servers.pending_entries()[ids[0]].deliveries == 1

    apply_schema(servers.database.admin_url, processor_password=postgres_server.processor_password)
    service.until_ready_again()
    servers.until_settled()
    servers.assert_promise_kept(rows=100, poison=[ids[-1]])


@pytest.mark.parametrize("privilege", ["INSERT", "SELECT"])
def test_a_privilege_that_is_revoked_at_run_time_is_named_until_it_is_granted_again(
    run: Run, servers: Servers, privilege: str
) -> None:
    service = run(**COMPRESSED).ready()
    servers.publish(drive(100))
    service.until_metrics(acks_total=100)
    servers.own(f"REVOKE {privilege} ON positions FROM processor")
    # Only repeats need a SELECT: rows that are proven new do not.
    servers.publish_at_once([*drive(100), *drive(100, first_second=1_000)])
    reason = service.until_not_ready("schema")
    assert f"privilege {privilege} on table public.positions is missing" in reason
    servers.until_claim_passes(20)
    assert servers.attempts() == {}

    servers.own(f"GRANT {privilege} ON positions TO processor")
    service.until_ready_again()
    servers.until_settled()
    servers.assert_promise_kept(rows=200)
    assert service.stop() == 0


def test_a_redis_that_was_emptied_under_load_is_read_on_with_an_alarm(
    run: Run, servers: Servers
) -> None:
    service = run(**COMPRESSED).ready()
    servers.publish(drive(HALF, devices=50))
    servers.until_rows(HALF // 10)
    servers.redis.flushall()
    service.wait_for("consumer group is gone")
    until(lambda: servers.redis.exists(servers.stream), "the stream")
    servers.publish(drive(1_000, first_second=50_000))
    servers.until_settled()
    until(lambda: service.metrics()["in_flight_records"] == 0, "nothing is in flight")
    with servers.owner() as owner:
        late = "SELECT count(*) FROM positions WHERE ts >= timestamptz '2026-05-01 12:00Z' + interval '50000 s'"
        assert owner.execute(late).fetchone() == (1_000,)
    assert servers.attempts() == {}
    assert servers.dead_letters() == []
    assert service.stop() == 0
