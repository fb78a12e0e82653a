"""Redis moves, changes its role or runs out of memory: the service goes where the name points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from dev.servers import launch_redis, launch_relay
from dev.servers.ports import free_port
from dev.servers.redis_users import PROCESSOR, redis_url
from telemetry.chassis.control.asking import ask
from telemetry.chassis.control.requests import LOOK
from tests.support.live_entries import live
from tests.support.processes import QUICK_CLAIMS, until
from tests.support.servers import GROUP, Servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import Database, RedisBinary, RedisServer, Relay
    from tests.processes.conftest import Run
    from tests.support.processes import Service

pytestmark = pytest.mark.deployment

QUICK = {**QUICK_CLAIMS, "CLAIM_THRESHOLD_MS": "2000"}


@dataclass(frozen=True)
class Twins:
    """A master and its replica; the name that the service knows is the link's."""

    master: RedisServer
    replica: RedisServer
    link: Relay
    before: Servers
    after: Servers

    @property
    def url(self) -> str:
        return redis_url(PROCESSOR, self.link.port)

    def fail_over(self) -> None:
        """A planned failover: the replica leads, the old master follows it, the name points to the new one."""
        self.replica.follow(self.master)
        self.replica.lead()
        self.link.target_port = self.replica.port
        self.master.follow(self.replica)


@pytest.fixture
def twins(redis_binary: RedisBinary, stream_name: str, database: Database) -> Iterator[Twins]:
    with (
        launch_redis(redis_binary) as master,
        launch_redis(redis_binary) as replica,
        launch_relay(master.port) as link,
        Redis.from_url(master.admin_url) as old,
        Redis.from_url(replica.admin_url) as new,
    ):
        replica.follow(master)
        before, after = (Servers(client, stream_name, database) for client in (old, new))
        yield Twins(master, replica, link, before, after)


def assert_goes_on(service: Service, servers: Servers, *, rows: int, more: int = 200) -> None:
    """Publish more: it is written and acknowledged, and the ledger is right."""
    servers.publish_at_once(live(more, first_second=50_000))
    try:
        servers.until_settled()
    except AssertionError as error:
        raise AssertionError(f"{error}\n{service.report()}") from None
    servers.assert_promise_kept(rows=rows + more)
    service.until_ready_again()
    assert not service.logged("consumer group is gone")
    assert service.stop() == 0
    ledger = service.ledger
    assert ledger.pop("read") == rows + more == sum(ledger.values())


@pytest.mark.parametrize("block_ms", ["100", "60000"])
def test_a_planned_failover_is_followed_to_where_the_name_points(
    run: Run, twins: Twins, block_ms: str
) -> None:
    service = run(REDIS_URL=twins.url, **{**QUICK, "BATCH_BLOCK_MS": block_ms}).ready()
    twins.before.publish_at_once(live(200))
    service.until_metrics(acks_total=200)
    twins.fail_over()
    assert_goes_on(service, twins.after, rows=200)


def test_operators_reach_the_service_at_the_new_master(run: Run, twins: Twins) -> None:
    service = run(REDIS_URL=twins.url, **QUICK).ready()
    channel = f"{twins.after.stream}:{GROUP}:control"
    assert len(ask(twins.before.redis, channel, LOOK)) == 1
    twins.fail_over()
    # The old master passes on what is published at the new one, but no answer comes back that way.
    until(lambda: ask(twins.after.redis, channel, LOOK), "it answers at the new master")
    assert_goes_on(service, twins.after, rows=0)


def test_a_planned_failover_with_entries_in_flight_settles_them_at_the_new_master(
    run: Run, twins: Twins
) -> None:
    service = run(REDIS_URL=twins.url, **QUICK).ready()
    with twins.before.inserts_held():
        twins.before.publish_at_once(live(200))
        twins.before.until_writers_wait()
        twins.fail_over()
    assert_goes_on(service, twins.after, rows=200)


def test_a_replica_that_was_promoted_behind_delivers_again_and_every_row_is_right(
    run: Run, twins: Twins
) -> None:
    service = run(REDIS_URL=twins.url, **QUICK).ready()
    twins.before.publish_at_once(live(200))
    service.until_metrics(acks_total=200)
    # From here on the replica receives nothing but the entries themselves.
    twins.replica.lead()
    lost = live(100, first_second=1_000)
    twins.before.publish_at_once(lost)
    service.until_metrics(acks_total=300)
    twins.after.publish_at_once(lost)
    twins.after.redis.xgroup_setid(twins.after.stream, GROUP, "0")
    twins.link.target_port = twins.replica.port
    twins.master.follow(twins.replica)
    twins.after.publish_at_once(live(200, first_second=50_000))
    twins.after.until_settled()
    twins.after.assert_promise_kept(rows=500)
    assert not service.logged("consumer group is gone")
    assert service.stop() == 0


def test_a_replica_that_has_lost_its_master_is_left_for_where_the_name_points(
    run: Run, twins: Twins
) -> None:
    """MASTERDOWN: the old master follows a server that does not exist, and shows no stale data."""
    service = run(REDIS_URL=twins.url, **QUICK).ready()
    twins.before.publish_at_once(live(200))
    service.until_metrics(acks_total=200)
    twins.replica.follow(twins.master)
    twins.replica.lead()
    twins.before.redis.config_set("replica-serve-stale-data", "no")
    twins.before.redis.replicaof("127.0.0.1", "1")
    twins.link.target_port = twins.replica.port
    assert_goes_on(service, twins.after, rows=200)


def test_a_failover_whose_name_follows_late_is_waited_for(run: Run, twins: Twins) -> None:
    service = run(REDIS_URL=twins.url, **QUICK).ready()
    twins.before.publish_at_once(live(200))
    service.until_metrics(acks_total=200)
    twins.replica.follow(twins.master)
    twins.replica.lead()
    twins.master.follow(twins.replica)
    twins.after.publish_at_once(live(100, first_second=1_000))
    service.until_not_ready("redis")
    twins.link.target_port = twins.replica.port
    assert_goes_on(service, twins.after, rows=300)


def test_a_cluster_that_is_down_for_a_while_is_waited_for(
    run: Run, redis_binary: RedisBinary, database: Database
) -> None:
    # By default the bus takes the port ten thousand above, where somebody's connection may be.
    bus = ["--cluster-port", str(free_port())]
    cluster = ["--cluster-enabled", "yes", "--cluster-require-full-coverage", "yes", *bus]
    with (
        launch_redis(redis_binary, extra_args=cluster) as server,
        Redis.from_url(server.admin_url) as client,
    ):
        # All keys of the service in one slot.
        servers = Servers(client, "telemetry:{own}", database)
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        until(lambda: state_of(client) == "ok", "the cluster is up")
        service = run(
            REDIS_URL=server.processor_url, REDIS_TELEMETRY_STREAM=servers.stream, **QUICK
        ).ready()
        servers.publish_at_once(live(200))
        service.until_metrics(acks_total=200)
        client.execute_command("CLUSTER", "DELSLOTS", "0")
        until(lambda: state_of(client) == "fail", "the cluster is down")
        service.until_not_ready("redis")
        client.execute_command("CLUSTER", "ADDSLOTS", "0")
        until(lambda: state_of(client) == "ok", "the cluster is up")
        assert_goes_on(service, servers, rows=200)


def state_of(cluster: Redis) -> str:
    """Whether it serves commands: `ok` or `fail`."""
    return str(cluster.cluster("info")["cluster_state"])


@pytest.mark.parametrize("back_to", ["0", "the middle"])
def test_a_group_that_is_set_back_with_refused_entries_pending_keeps_its_ledger(
    run: Run, servers: Servers, back_to: str
) -> None:
    servers.own("ALTER TABLE positions ADD CHECK (speed < 200)")
    entries = live(50)
    entries[10] = {**entries[10], "payload": "no json"}
    entries[20] = {
        **entries[20],
        "payload": str(entries[20]["payload"]).replace('"speed": 63', '"speed": 250'),
    }
    service = run(DLQ_MAX_ATTEMPTS="1000", BATCH_BLOCK_MS="100").ready()
    ids = servers.publish_at_once(entries)
    servers.until_pending([ids[10], ids[20]])
    for _ in range(2):
        reads = service.metrics()["consumer_records_total"]
        servers.redis.xgroup_setid(
            servers.stream, GROUP, ids[5] if back_to == "the middle" else "0"
        )
        until(lambda: service.metrics()["consumer_records_total"] >= reads + 44, "read again")  # noqa: B023
        servers.until_pending([ids[10], ids[20]])
    servers.publish_at_once(live(50, first_second=1_000))
    service.until_metrics(in_flight_records=0)
    servers.until_pending([ids[10], ids[20]])
    assert servers.rows() == 98
    assert service.stop() == 0
    assert service.ledger == {"read": 100, "acked": 98, "left_pending": 2}


def test_a_group_that_is_set_back_while_entries_are_in_flight_keeps_its_ledger(
    run: Run, servers: Servers
) -> None:
    service = run(BATCH_BLOCK_MS="100").ready()
    with servers.inserts_held():
        servers.publish_at_once(live(50))
        servers.until_writers_wait()
        servers.redis.xgroup_setid(servers.stream, GROUP, "0")
        until(lambda: service.metrics()["consumer_records_total"] >= 100, "they are read again")
    servers.until_settled()
    servers.assert_promise_kept(rows=50)
    assert service.stop() == 0
    assert service.ledger == {"read": 50, "acked": 50}


def test_a_group_that_is_set_forward_loses_nothing_that_was_read(
    run: Run, servers: Servers
) -> None:
    service = run(**QUICK).ready()
    servers.publish_at_once(live(50))
    service.until_metrics(acks_total=50)
    servers.redis.xgroup_setid(servers.stream, GROUP, "$")
    servers.publish_at_once(live(50, first_second=1_000))
    service.until_metrics(acks_total=100)
    servers.assert_promise_kept(rows=100)
    assert service.stop() == 0


def fill(client: Redis) -> None:
    """From now on Redis refuses every command that may need memory."""
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1")


def test_a_redis_whose_memory_is_used_up_is_started_on_read_and_connected_to_again(
    run: Run, own_redis: RedisServer, own_servers: Servers
) -> None:
    own_servers.create_group()
    own_servers.publish_at_once(live(100))
    fill(own_servers.redis)
    service = run(REDIS_URL=own_redis.processor_url, **QUICK).ready()
    service.until_metrics(acks_total=100)
    own_servers.redis.config_set("maxmemory", "0")
    own_servers.publish_at_once(live(100, first_second=1_000))
    service.until_metrics(acks_total=200)
    with own_servers.inserts_held():
        own_servers.publish_at_once(live(100, first_second=2_000))
        fill(own_servers.redis)
        own_servers.redis.client_kill_filter(_type="normal", skipme=True)
    service.until_metrics(acks_total=300)
    own_servers.assert_promise_kept(rows=300)
    service.until_ready_again()
    assert service.stop() == 0


def test_a_group_that_is_missing_while_memory_is_used_up_is_waited_for(
    run: Run, own_redis: RedisServer, own_servers: Servers
) -> None:
    own_servers.create_group()
    service = run(REDIS_URL=own_redis.processor_url, **QUICK).ready()
    own_servers.publish_at_once(live(100))
    service.until_metrics(acks_total=100)
    fill(own_servers.redis)
    own_servers.redis.xgroup_destroy(own_servers.stream, GROUP)
    service.until_not_ready("redis", saying="OOM")
    own_servers.redis.config_set("maxmemory", "0")
    service.until_ready_again()
    own_servers.until_settled()
    own_servers.assert_promise_kept(rows=100)
    assert service.stop() == 0
