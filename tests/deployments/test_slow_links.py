"""Links to Redis that are slow or forgetful, and replies that Redis will not send."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dev.servers.redis_users import PROCESSOR, redis_url
from tests.support.live_entries import live, live_entry
from tests.support.processes import QUICK_CLAIMS, until

if TYPE_CHECKING:
    from dev.servers import RedisServer, Relay
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

pytestmark = pytest.mark.deployment

HOST = "127.0.0.1"


def through(link: Relay) -> str:
    return redis_url(PROCESSOR, link.port)


def test_acknowledgements_pass_a_slow_link_and_no_lease_is_lost_meanwhile(
    run: Run, servers: Servers, redis_link: Relay
) -> None:
    # 264 kB of ids take seven seconds on this link; an answer must come within five.
    entries, threshold_ms = 12_000, "20000"
    slow = run(
        REDIS_URL=through(redis_link),
        BATCH_SIZE=str(entries),
        CLAIM_THRESHOLD_MS=threshold_ms,
        CONNECT_BACKOFF_MAX_MS="200",
    ).ready()
    redis_link.up.bytes_per_s = 40_000
    peer = run(
        INSTANCE_ID="processor-2",
        CLAIM_THRESHOLD_MS=threshold_ms,
        CLAIM_INTERVAL_MS="100",
        BATCH_BLOCK_MS="100",
    )
    with servers.inserts_held():
        servers.publish_at_once(live(entries, devices=100))
        until(lambda: slow.metrics()["in_flight_records"] == entries, "the slow one has read all")
        peer.ready()
    until(lambda: servers.pending() == 0, "all is acknowledged", within_s=60)
    servers.assert_promise_kept(rows=entries)
    assert slow.metrics()["acks_total"] == entries
    assert peer.metrics()["claims_total"] == 0
    assert not slow.logged("leases renewed")
    assert not slow.logged("Redis unreachable")
    assert slow.stop() == 0
    assert slow.ledger == {"read": entries, "acked": entries}


def test_a_link_that_is_slow_both_ways_is_read_and_acknowledged(
    run: Run, servers: Servers, redis_link: Relay
) -> None:
    entries = 2_000
    service = run(REDIS_URL=through(redis_link), CONNECT_BACKOFF_MAX_MS="200").ready()
    # A reply of all of them takes ten seconds, and bytes arrive all the time.
    redis_link.up.bytes_per_s = redis_link.down.bytes_per_s = 100_000
    servers.publish_at_once(live(entries))
    until(
        lambda: servers.pending() == 0 and servers.rows() == entries, "all is written", within_s=60
    )
    servers.assert_promise_kept(rows=entries)
    assert not service.logged("Redis unreachable")
    assert service.stop() == 0


def test_what_a_stop_releases_passes_a_slow_link(
    run: Run, servers: Servers, redis_link: Relay
) -> None:
    entries = 5_000
    service = run(REDIS_URL=through(redis_link), DRAIN_BUDGET_MS="6000").ready()
    with servers.inserts_held():
        ids = servers.publish_at_once(live(entries))
        service.until_metrics(in_flight_records=entries)
        redis_link.up.bytes_per_s = 250_000
        assert service.stop() == 3
    left = servers.pending_entries()
    assert list(left) == ids
    assert all(each.idle_ms >= 3_600_000 for each in left.values())


def test_entries_of_a_dead_peer_are_claimed_though_connections_are_closed_between_two_claims(
    run: Run, servers: Servers, redis_link: Relay
) -> None:
    service = run(
        REDIS_URL=through(redis_link),
        CLAIM_THRESHOLD_MS="1000",
        CLAIM_INTERVAL_MS="3000",
        CONNECT_BACKOFF_MAX_MS="200",
    ).ready()
    redis_link.idle_close_s = 2.0
    servers.publish_abandoned(live(100))
    service.until_metrics(acks_total=100)
    servers.publish_abandoned(live(100, first_second=1_000))
    service.until_metrics(acks_total=200)
    servers.assert_promise_kept(rows=200)
    assert service.get("/healthz")[0] == 200
    assert service.stop() == 0


def test_connections_that_a_proxy_closes_for_idleness_cost_postgres_no_row_and_no_wait(
    run: Run, servers: Servers, postgres_link: Relay
) -> None:
    url = servers.database.processor_url.replace(
        f":{postgres_link.target_port}/", f":{postgres_link.port}/"
    )
    service = run(POSTGRES_URL=url, CONNECT_BACKOFF_MAX_MS="200").ready()
    postgres_link.idle_close_s = 1.0
    for load in range(1, 4):
        closed = postgres_link.idle_closed
        until(lambda: postgres_link.idle_closed > closed, "an idle session was closed")  # noqa: B023
        servers.publish_at_once(live(100, first_second=1_000 * load))
        service.until_metrics(acks_total=100 * load)
    servers.assert_promise_kept(rows=300)
    assert service.metrics()['position_writes_total{status="failed"}'] == 0
    assert service.stop() == 0


def test_a_read_whose_reply_exceeds_redis_output_buffer_is_repeated_with_fewer_entries(
    run: Run, own_redis: RedisServer, own_servers: Servers
) -> None:
    own_servers.redis.config_set("client-output-buffer-limit", "normal 2mb 0 0")
    fat = {"attributes": {"1": "x" * 5_000}}
    entries = 2_000
    own_servers.publish([live_entry(n % 10, n // 10, **fat) for n in range(entries)])
    service = run(REDIS_URL=own_redis.processor_url, CONNECT_BACKOFF_MAX_MS="200").ready()
    until(lambda: own_servers.rows() == entries, "all is written", within_s=20)
    own_servers.until_settled()
    own_servers.assert_promise_kept(rows=entries)
    assert not service.logged("crash suspect")
    # Small entries are read in large numbers again.
    own_servers.publish_at_once(live(5_000, first_second=10_000))
    own_servers.until_settled()
    own_servers.assert_promise_kept(rows=entries + 5_000)
    assert service.stop() == 0


def test_pending_entries_too_fat_for_one_reply_are_claimed_in_smaller_numbers(
    run: Run, own_redis: RedisServer, own_servers: Servers
) -> None:
    fat = {"attributes": {"1": "x" * 5_000}}
    entries = 1_000
    own_servers.create_group()
    own_servers.publish([live_entry(n % 10, n // 10, **fat) for n in range(entries)])
    own_servers.deliver_to("dead", entries)
    own_servers.abandon("dead", own_servers.pending_ids())
    own_servers.redis.config_set("client-output-buffer-limit", "normal 2mb 0 0")
    service = run(
        REDIS_URL=own_redis.processor_url, CONNECT_BACKOFF_MAX_MS="200", CLAIM_INTERVAL_MS="200"
    ).ready()
    until(lambda: own_servers.rows() == entries, "all is written", within_s=30)
    own_servers.until_settled()
    own_servers.assert_promise_kept(rows=entries)
    assert not service.logged("crash suspect")
    assert service.stop() == 0


def test_an_entry_too_fat_for_any_reply_holds_nobody_up(
    run: Run, own_redis: RedisServer, own_servers: Servers
) -> None:
    own_servers.redis.config_set("client-output-buffer-limit", "normal 1mb 0 0")
    service = run(REDIS_URL=own_redis.processor_url, **QUICK_CLAIMS).ready()
    own_servers.publish(live(10))
    [fat] = own_servers.publish([live_entry(5, 500, attributes={"1": "x" * 3_000_000})])
    own_servers.publish(live(100, first_second=1_000))
    until(lambda: own_servers.rows() == 110, "the others are written")
    until(lambda: own_servers.pending_ids() == [fat], "and acknowledged")
    assert service.get("/readyz")[0] == 200
    # Once Redis sends it, it is refused as too large.
    own_servers.redis.config_set("client-output-buffer-limit", "normal 0 0 0")
    own_servers.until_settled()
    own_servers.assert_promise_kept(rows=110, poison=[fat])
    assert service.stop() == 0
