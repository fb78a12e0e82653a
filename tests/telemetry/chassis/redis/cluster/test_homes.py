"""The way to a key's node: how often redirections are followed, and where the next connection begins."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from dev.servers.ports import HOST
from telemetry._codec import ReplyParser
from telemetry.chassis.config.redis_target import redis_target
from telemetry.chassis.errors import RedisMoved, RedisUnavailable
from telemetry.chassis.redis.cluster.homes import REDIRECTIONS_MAX, Homes
from telemetry.chassis.redis.limits import RedisLimits
from tests.support.peers import peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "telemetry:{0}"
# Far more than a few connections to this machine take.
BOUND_S = 10.0
NOT_ALLOWED = b"-NOPERM this user has no permissions to run the 'cluster|slots' command\r\n"
DOWN = b"-CLUSTERDOWN The cluster is down\r\n"
SERVED = b":0\r\n"


class PlayedNode:
    """A node of a cluster: what it says of the slots and of the key, and whether it is away."""

    def __init__(self, number: int, tried: list[int]) -> None:
        self.port = 0
        self.is_away = False
        self.slots = NOT_ALLOWED
        self.key = SERVED
        self._number, self._tried = number, tried

    async def talk(self, stream: trio.SocketStream) -> None:
        self._tried.append(self._number)
        while not self.is_away and (piece := bytes(await stream.receive_some(65_536))):
            await stream.send_all(self._answer(piece))

    def _answer(self, piece: bytes) -> bytes:
        if b"HELLO" in piece:
            return b"%1\r\n+mode\r\n+cluster\r\n"
        if b"CLIENT" in piece:
            return b":7\r\n"
        return self.slots if b"SLOTS" in piece else self.key


class PlayedCluster:
    """Nodes, and the numbers of those that were connected to, in order."""

    def __init__(self, count: int) -> None:
        self.tried: list[int] = []
        self.nodes = [PlayedNode(number, self.tried) for number in range(count)]

    def moved_to(self, number: int) -> bytes:
        return b"-MOVED 13907 %b:%d\r\n" % (HOST.encode(), self.nodes[number].port)

    def name_all_nodes(self) -> None:
        """Have each node name all of them, as masters of some slots."""
        ranges = [
            b"*3\r\n:%d\r\n:%d\r\n*2\r\n$%d\r\n%b\r\n:%d\r\n"
            % (number, number, len(HOST), HOST.encode(), node.port)
            for number, node in enumerate(self.nodes)
        ]
        for node in self.nodes:
            node.slots = b"*%d\r\n%b" % (len(ranges), b"".join(ranges))

    async def tried_by(self, homes: Homes, *keys: str) -> list[int]:
        """The nodes that opening a connection connects to, in order."""
        self.tried.clear()
        with trio.fail_after(BOUND_S):
            (await homes.open(ReplyParser, name="test", limits=RedisLimits(), keys=keys)).close()
        return list(self.tried)


@asynccontextmanager
async def cluster(count: int) -> AsyncIterator[tuple[PlayedCluster, Homes]]:
    """A cluster, and a process whose URL names its first node."""
    played = PlayedCluster(count)
    async with AsyncExitStack() as stack:
        for node in played.nodes:
            node.port = await stack.enter_async_context(peer(node.talk))
        yield played, Homes(redis_target(f"redis://{HOST}:{played.nodes[0].port}"))


async def test_nodes_that_send_each_to_the_other_are_given_up() -> None:
    async with cluster(2) as (played, homes):
        played.nodes[0].key, played.nodes[1].key = played.moved_to(1), played.moved_to(0)
        with pytest.raises(RedisUnavailable, match=f"each to another, {REDIRECTIONS_MAX} times"):
            await played.tried_by(homes, KEY)
        assert played.tried == ([0, 1] * REDIRECTIONS_MAX)[:REDIRECTIONS_MAX]


async def test_as_many_redirections_as_a_failover_takes_are_followed() -> None:
    async with cluster(4) as (played, homes):
        for number in range(3):
            played.nodes[number].key = played.moved_to(number + 1)
        assert await played.tried_by(homes, KEY) == [0, 1, 2, 3]


async def test_the_keys_node_is_where_the_next_connection_begins() -> None:
    async with cluster(2) as (played, homes):
        played.nodes[0].key = played.moved_to(1)
        assert await played.tried_by(homes, KEY) == [0, 1]
        assert await played.tried_by(homes, KEY) == [1]


async def test_when_the_keys_node_is_gone_the_others_lead_to_the_new_one() -> None:
    async with cluster(3) as (played, homes):
        played.name_all_nodes()
        played.nodes[0].key = played.moved_to(1)
        await played.tried_by(homes, KEY)
        played.nodes[1].is_away = True
        played.nodes[0].key = played.moved_to(2)
        assert await played.tried_by(homes, KEY) == [1, 0, 2]
        assert await played.tried_by(homes, KEY) == [2]


async def test_when_the_node_of_the_url_is_gone_the_remembered_ones_are_enough() -> None:
    async with cluster(3) as (played, homes):
        played.name_all_nodes()
        await played.tried_by(homes, KEY)
        played.nodes[0].is_away = True
        played.nodes[1].key = played.moved_to(2)
        assert await played.tried_by(homes, KEY) == [0, 1, 2]


async def test_a_node_that_led_nowhere_is_not_where_the_next_connection_begins() -> None:
    async with cluster(2) as (played, homes):
        played.name_all_nodes()
        played.nodes[0].key = played.moved_to(1)
        await played.tried_by(homes, KEY)
        played.nodes[1].is_away = True
        played.nodes[0].key = DOWN
        # A node that answers knows more than one that does not, and so its error is the one that is raised.
        with pytest.raises(RedisMoved, match="CLUSTERDOWN"):
            await played.tried_by(homes, KEY)
        assert played.tried[0] == 1
        with pytest.raises(RedisMoved, match="CLUSTERDOWN"):
            await played.tried_by(homes, KEY)
        assert played.tried[0] == 0


async def test_a_node_that_led_nowhere_is_tried_last_by_connections_without_a_key() -> None:
    async with cluster(2) as (played, homes):
        played.name_all_nodes()
        played.nodes[0].key = played.moved_to(1)
        await played.tried_by(homes, KEY)
        assert await played.tried_by(homes) == [1]
        played.nodes[1].is_away = True
        # Else it would name the nodes again, in an order of its own.
        played.nodes[0].slots = NOT_ALLOWED
        assert await played.tried_by(homes) == [1, 0]
        assert await played.tried_by(homes) == [0]
