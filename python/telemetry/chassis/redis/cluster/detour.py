"""The way to the node that a slot is moving to, for commands whose key has moved already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from telemetry._codec import ReplyError
from telemetry.chassis.errors import RedisUnavailable
from telemetry.chassis.lock import Lock
from telemetry.chassis.redis.resp import encode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from telemetry._codec import Delivery, Reply
    from telemetry.chassis.redis.cluster.nodes import Node
    from telemetry.chassis.redis.connection import RedisConnection

ASKING: Final = encode("ASKING")
# What a read waits for entries there. Nobody would wake it if it blocked for longer.
BLOCK_MS: Final = 1


class Detour:
    """One connection to one such node, made when it is first needed.

    Each command is preceded by ASKING, without which that node does not take it yet. Its errors are those of
    RedisConnection.
    """

    def __init__(self, open_at: Callable[[Node], Awaitable[RedisConnection]]) -> None:
        self._open_at = open_at
        self._in_use = Lock()
        self._node: Node | None = None
        self._connection: RedisConnection | None = None

    async def request(self, node: Node, wire: bytes) -> Reply:
        """Send one command and return its reply."""
        reply = await self.reply(node, wire)
        if isinstance(reply, ReplyError):
            assert self._connection is not None
            raise self._connection.refused(reply.message)
        return reply

    async def reply(self, node: Node, wire: bytes) -> Reply:
        """The same, but a refusal is a value as well."""
        async with self._in_use:
            connection = await self._connected(node)
            asked, *replies = await connection.pipeline([ASKING, wire])
        if not replies:
            raise RedisUnavailable("the connection was lost", where=connection.where)
        # Without ASKING a node takes the command all the same, if the slot is its own by now.
        [reply] = replies
        return asked if isinstance(asked, ReplyError) and isinstance(reply, ReplyError) else reply

    async def delivery(self, node: Node, wire: bytes) -> Delivery:
        """Send an XCLAIM and return what it delivered."""
        async with self._in_use:
            return await (await self._asking(node)).delivery(wire)

    async def read(self, node: Node, wire: bytes) -> Delivery:
        """Send a read that blocks for BLOCK_MS at most, and return what it delivered."""
        async with self._in_use:
            connection = await self._asking(node)
            return await connection.blocking_delivery(
                wire, block_ms=BLOCK_MS, unblock=trio.lowlevel.checkpoint
            )

    def close(self) -> None:
        """Close the connection at once."""
        if self._connection is not None:
            self._connection.close()

    async def _asking(self, node: Node) -> RedisConnection:
        # By itself: what reads entries outlives a cancellation, and there is nothing to outlive before.
        connection = await self._connected(node)
        await connection.request(ASKING)
        return connection

    async def _connected(self, node: Node) -> RedisConnection:
        connection = self._connection
        if connection is None or connection.closed or node != self._node:
            self.close()
            self._connection = connection = await self._open_at(node)
            self._node = node
        return connection
