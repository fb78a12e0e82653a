"""A planned failover: the name leads to the new master, while old connections stay and lead to a replica."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
from redis import Redis

from dev.servers import launch_redis, launch_relay
from dev.servers.redis_users import PROCESSOR, login, redis_url
from processor.core.attempts import Failure, FailureStage
from processor.edges.ports import STREAM_START
from telemetry.chassis.errors import RedisMoved, RedisUnavailable
from tests.conftest import redis_key
from tests.support.peers import peer
from tests.support.real_lives import RealStreamService, living, pending, publish, until
from tests.support.stream_contract import LONG_BLOCK_MS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from dev.servers import RedisServer, Relay

NAME = "telemetry:failover"
# From the change of roles to the first entry that is read on the new master.
WITHIN_S = 10.0


class Pair:
    """A master, its replica, and the relay that stands for their name."""

    def __init__(self, servers: list[RedisServer], clients: list[Redis], relay: Relay) -> None:
        self.servers = servers
        self.old, self.new = clients
        self.relay = relay

    @property
    def url(self) -> str:
        return redis_url(PROCESSOR, self.relay.port)

    @property
    def in_step(self) -> bool:
        """Whether the replica has what the master has."""
        return self.old.wait(1, 1_000) == 1

    def fail_over(self) -> None:
        """As an orchestrator does it: promote, move the name, demote."""
        self.new.replicaof("NO", "ONE")
        self.relay.target_port = self.servers[1].port
        self.old.replicaof(self.servers[1].host, str(self.servers[1].port))


@contextmanager
def two_servers(config: pytest.Config) -> Iterator[list[RedisServer]]:
    binary = config.stash[redis_key]
    # A replica is sent the data over its socket, without the pause for others to join.
    options = ["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"]
    with (
        launch_redis(binary, extra_args=options) as one,
        launch_redis(binary, extra_args=options) as other,
    ):
        yield [one, other]


@asynccontextmanager
async def replicated(config: pytest.Config) -> AsyncIterator[Pair]:
    with two_servers(config) as servers:
        old, new = [Redis.from_url(server.admin_url) for server in servers]
        with old, new:
            old.xgroup_create(NAME, "processor", "0", mkstream=True)
            new.replicaof(servers[0].host, str(servers[0].port))
            with launch_relay(servers[0].port) as relay:
                pair = Pair(servers, [old, new], relay)
                await until(lambda: pair.in_step, "the replica is in step")
                yield pair


async def test_traffic_goes_on_at_the_new_master_and_no_group_is_called_gone(
    pytestconfig: pytest.Config, caplog: pytest.LogCaptureFixture
) -> None:
    async with replicated(pytestconfig) as pair:
        service = RealStreamService(pair.url, NAME)
        async with living(service):
            publish(pair.old, NAME, 2_000)
            await until(lambda: service.rows == 2_000, "everything is written")
            assert pair.in_step
            pair.fail_over()
            with trio.fail_after(WITHIN_S):
                publish(pair.new, NAME, 2_000, first=2_000)
                await until(lambda: service.rows == 4_000, "the new master is read")
                await until(lambda: pending(pair.new, NAME) == 0, "and acknowledged")
    assert "consumer group is gone" not in caplog.text
    assert "read failed and is repeated" in caplog.text


async def test_a_failover_under_load_loses_nothing_and_the_ledger_balances(
    pytestconfig: pytest.Config, caplog: pytest.LogCaptureFixture
) -> None:
    async with replicated(pytestconfig) as pair:
        service = RealStreamService(pair.url, NAME)
        publish(pair.old, NAME, 20_000)
        assert pair.in_step
        # In small pieces, and refused entries among them: every kind of command reaches the replica.
        async with living(
            service, BATCH_SIZE="200", WRITE_BATCH_SIZE="200", DLQ_MAX_ATTEMPTS="100"
        ):
            for number in range(20):
                pair.old.xadd(NAME, {"codec": "8", "payload": f"bad {number}"})
            await until(lambda: service.rows > 2_000, "work is under way")
            pair.fail_over()
            await until(lambda: service.rows == 20_000, "everything is written")
            await until(lambda: pending(pair.new, NAME) <= 20, "and acknowledged")
    assert "consumer group is gone" not in caplog.text


async def test_a_blocked_read_ends_in_an_error_that_wants_new_connections(
    pytestconfig: pytest.Config,
) -> None:
    async with replicated(pytestconfig) as pair:
        stream = RealStreamService(pair.url, NAME).real
        await stream.connect()

        async def fail_over_when_blocked() -> None:
            clients: Any = pair.old.client_list
            await until(lambda: any("b" in each["flags"] for each in clients()), "it is blocked")
            pair.fail_over()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_over_when_blocked)
            with pytest.raises(RedisMoved, match="instance state changed") as caught:
                await stream.read_new(10, LONG_BLOCK_MS)
        assert caught.value.code == "UNBLOCKED"
        await assert_every_connection_is_closed(stream)
        await assert_works_again(pair, stream)


async def test_a_connection_to_a_new_master_ends_those_to_the_old_one(
    pytestconfig: pytest.Config,
) -> None:
    with two_servers(pytestconfig) as servers:
        old, new = [Redis.from_url(server.admin_url) for server in servers]
        named = servers[0].port

        async def sentinel(stream: trio.SocketStream) -> None:
            await stream.receive_some(4_096)
            port = str(named).encode()
            await stream.send_all(b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%b\r\n" % (len(port), port))

        with old, new:
            for client in (old, new):
                client.xgroup_create(NAME, "processor", "0", mkstream=True)
            async with peer(sentinel) as port:
                url = f"redis+sentinel://{login(PROCESSOR)}@127.0.0.1:{port}/fleet"
                stream = RealStreamService(url, NAME).real
                await stream.connect()
                assert roles_at(old) == ["claims", "control", "reader"]
                named = servers[1].port
                old.client_kill_filter(_id=clients_of(old)["reader"])
                with pytest.raises(RedisUnavailable):
                    await stream.read_new(1, 10)
                # It closes the others, and needs one of them; the next try opens all.
                with pytest.raises(RedisUnavailable):
                    await stream.connect()
                await stream.connect()
                assert roles_at(new) == ["claims", "control", "reader"]
                await until(lambda: not roles_at(old), "nothing is left at the old master")
                await stream.aclose()


def clients_of(client: Redis) -> dict[str, str]:
    """The ids of the service's connections, by their part."""
    found: Any = client.client_list()
    named = [(str(each["name"]), str(each["id"])) for each in found]
    return {name.rpartition(":")[2]: number for name, number in named if ":" in name}


def roles_at(client: Redis) -> list[str]:
    return sorted(clients_of(client))


CALLS: dict[str, Any] = {
    "read_new": lambda stream, _: stream.read_new(1, 10),
    "ack": lambda stream, batch: stream.ack(batch),
    "ack with attempts": lambda stream, batch: stream.ack(batch, attempted=batch.entry_ids),
    "claim": lambda stream, _: stream.claim(STREAM_START, 10, idle_ms=0),
    "renew": lambda stream, batch: stream.renew(batch.entry_ids),
    "redeliver": lambda stream, batch: stream.redeliver(batch.entry_ids),
    "release": lambda stream, batch: stream.release(batch.entry_ids),
    "record_failures": lambda stream, batch: stream.record_failures(
        [Failure(batch.entry_ids[0], 1, FailureStage.DECODE, "bad_json", "not JSON")],
        attempts_max=3,
    ),
    "begin_trial": lambda stream, batch: stream.begin_trial(batch.entry_ids[0], attempts_max=3),
}


async def assert_works_again(pair: Pair, stream: Any) -> None:
    """New connections lead to the new master."""
    await stream.connect()
    publish(pair.new, NAME, 1, first=9_000)
    before = pending(pair.new, NAME)
    delivery = await stream.read_new(1, LONG_BLOCK_MS)
    assert await stream.ack(delivery.batch) == 1
    assert pending(pair.new, NAME) == before
    await stream.aclose()


async def test_any_call_that_reaches_a_replica_replaces_all_connections(
    pytestconfig: pytest.Config,
) -> None:
    async with replicated(pytestconfig) as pair:
        publish(pair.old, NAME, 2)
        streams = {}
        for call in CALLS:
            stream = RealStreamService(pair.url, NAME).real
            await stream.connect()
            streams[call] = stream
        batch = (await streams["ack"].read_new(10, LONG_BLOCK_MS)).batch
        assert pair.in_step
        pair.fail_over()
        for call, ask in CALLS.items():
            stream = streams[call]
            with pytest.raises(RedisMoved) as caught:
                await ask(stream, batch)
            assert caught.value.code == "READONLY"
            assert caught.value.wants_new_connection
            await assert_every_connection_is_closed(stream)
            await assert_works_again(pair, stream)


async def assert_every_connection_is_closed(stream: Any) -> None:
    asks = (
        stream.look,
        lambda: stream.read_new(1, 1),
        lambda: stream.list_pending(STREAM_START, 1),
    )
    for ask in asks:
        with pytest.raises(RedisUnavailable, match="the connection is closed"):
            await ask()
