"""Launches a Redis Cluster on this machine: masters, a replica of each, and slots that can be moved between them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dev.servers.polling import poll
from dev.servers.ports import free_port
from dev.servers.redis import launch_redis
from dev.servers.redis_users import ADMIN, PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dev.servers.binaries import RedisBinary
    from dev.servers.redis import RedisServer

SLOTS: Final = 16_384
# So soon the others take a node for dead. Redis' default is 15 s.
NODE_TIMEOUT_MS: Final = 700
ANSWER_S: Final = 5.0
# Which any node speaks, also one that was forbidden HELLO.
PROTOCOL: Final = 2


@dataclass(frozen=True, eq=False)
class ClusterNode:
    """A node: its server, an administrator's client of it, and its name in the cluster."""

    server: RedisServer
    client: redis.Redis
    id: str
    bus_port: int

    def ask(self, *words: object) -> Any:  # noqa: ANN401  # any reply
        """A reply to any command."""
        return self.client.execute_command(*words)  # type: ignore[no-untyped-call]


@dataclass(frozen=True, eq=False)
class RedisCluster:
    """A running cluster."""

    nodes: tuple[ClusterNode, ...]

    def client(self) -> redis.RedisCluster:
        """A client that goes where the keys are: redis-py's own, which has nothing in common with the services'."""
        url = self.living[0].server.admin_url
        return redis.RedisCluster.from_url(url, socket_timeout=ANSWER_S, protocol=PROTOCOL)

    @property
    def living(self) -> list[ClusterNode]:
        """The nodes that run."""
        return [node for node in self.nodes if node.server.process.running]

    def slot_of(self, key: str) -> int:
        """The slot of a key, by the servers' own count."""
        return int(self.living[0].ask("CLUSTER", "KEYSLOT", key))

    def master_of(self, key: str) -> ClusterNode:
        """The node that takes commands for a key."""
        slot = self.slot_of(key)
        for node in self.living:
            for first, last, [_, port, *_], *_ in node.ask("CLUSTER", "SLOTS"):
                if first <= slot <= last and port == node.server.port:
                    return node
        raise AssertionError(f"nobody has slot {slot}")

    def other_master(self, than: ClusterNode) -> ClusterNode:
        """A master that is not this one."""
        masters = [node for node in self.living if node.ask("ROLE")[0] == b"master"]
        return next(node for node in masters if node is not than)

    def until_replicated(self, key: str) -> None:
        """Wait until a replica has all that the key's master had by now."""
        poll(lambda: self.master_of(key).client.wait(1, 1_000) == 1, "a replica is in step")

    def begin_move(self, key: str, to: ClusterNode) -> None:
        """Open the slot of a key at both ends: from here on its keys can be moved."""
        slot, source = self.slot_of(key), self.master_of(key)
        to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", to.id)

    def move_key(self, key: str, source: ClusterNode, to: ClusterNode) -> None:
        """Move one key; nothing if it is not there."""
        place = (to.server.host, to.server.port, key, 0, 10_000)
        source.ask("MIGRATE", *place, "AUTH2", ADMIN, PASSWORD)

    def end_move(self, key: str, source: ClusterNode, to: ClusterNode) -> None:
        """Give the slot away; every key is to have been moved."""
        slot = self.slot_of(key)
        for node in (to, source):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", to.id)

    def until_well(self) -> None:
        """Wait until all slots are served, as every living node sees it."""
        poll(lambda: all(map(_is_well, self.living)), "the cluster is well")


@contextlib.contextmanager
def launch_cluster(
    binary: RedisBinary, *, masters: int = 3, extra_args: Sequence[str] = ()
) -> Iterator[RedisCluster]:
    """Run masters and a replica of each until the block ends, as `launch_redis` runs one server."""
    with contextlib.ExitStack() as stack:
        nodes = tuple(_launched(binary, stack, extra_args) for _ in range(2 * masters))
        leading, following = nodes[:masters], nodes[masters:]
        bounds = [round(number * SLOTS / masters) for number in range(masters + 1)]
        for epoch, node in enumerate(nodes, 1):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", epoch)
        for node, (first, behind) in zip(leading, pairwise(bounds), strict=True):
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, behind - 1)
        for node in nodes[1:]:
            server = node.server
            nodes[0].ask("CLUSTER", "MEET", server.host, server.port, node.bus_port)
        poll(lambda: all(_knows(node, nodes) for node in nodes), "all nodes know each other")
        for node, master in zip(following, leading, strict=True):
            node.ask("CLUSTER", "REPLICATE", master.id)
        poll(
            lambda: all(
                _info(node, "replication")["master_link_status"] == "up" for node in following
            ),
            "each replica is fed",
        )
        cluster = RedisCluster(nodes)
        cluster.until_well()
        yield cluster


def _launched(
    binary: RedisBinary, stack: contextlib.ExitStack, extra_args: Sequence[str]
) -> ClusterNode:
    bus_port = free_port()
    settings = {
        "cluster-enabled": "yes",
        "cluster-port": bus_port,
        "cluster-node-timeout": NODE_TIMEOUT_MS,
        # Also a replica that was out of touch for a moment is better than none.
        "cluster-replica-validity-factor": 0,
    }
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    server = stack.enter_context(launch_redis(binary, extra_args=[*words, *extra_args]))
    client = redis.Redis.from_url(
        server.admin_url, socket_timeout=ANSWER_S, retry=Retry(NoBackoff(), 0), protocol=PROTOCOL
    )
    stack.enter_context(client)
    name = client.execute_command("CLUSTER", "MYID")  # type: ignore[no-untyped-call]
    return ClusterNode(server, client, name.decode(), bus_port)


def _knows(node: ClusterNode, nodes: tuple[ClusterNode, ...]) -> bool:
    lines = node.client.execute_command("CLUSTER NODES")  # type: ignore[no-untyped-call]
    return len(lines) == len(nodes) and all(other.id in str(lines) for other in nodes)


def _is_well(node: ClusterNode) -> bool:
    return bool(_cluster_info(node)["cluster_state"] == "ok")


def _cluster_info(node: ClusterNode) -> Any:  # noqa: ANN401  # the client's
    return node.client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]


def _info(node: ClusterNode, section: str) -> Any:  # noqa: ANN401  # the client's
    return node.client.info(section)
