"""A connection to a slot's master that goes after the slot while it moves to another node, key by key."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self, TypeVar

from telemetry._codec import ReplyError
from telemetry.chassis import clocks, progress
from telemetry.chassis.errors import RedisError, RedisMoved, RedisRefused
from telemetry.chassis.redis.cluster.detour import BLOCK_MS, Detour
from telemetry.chassis.redis.cluster.redirections import (
    MOVED,
    UNSETTLED,
    is_key_gone,
    message_of,
    redirection_in,
)
from telemetry.chassis.redis.connection import RedisConnection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from telemetry._codec import Delivery, Reply
    from telemetry.chassis.redis.cluster.nodes import Node
    from telemetry.chassis.redis.duplex import DuplexConnection

T = TypeVar("T")

# As a rule a slot has moved in less.
UNSETTLED_S_MAX: Final = 1.0
AGAIN_S: Final = 0.05
_BLOCK: Final = re.compile(rb"\$5\r\nBLOCK\r\n\$[0-9]+\r\n[0-9]+\r\n")
_BLOCK_BRIEFLY: Final = b"$5\r\nBLOCK\r\n$1\r\n%d\r\n" % BLOCK_MS


class FollowingConnection(RedisConnection):
    """A RedisConnection in a cluster.

    Each command goes to the slot's master first, and is sent on, by itself, if that says so: a key that is still here
    must not be made a second time there. What cannot be answered while the slot moves is tried again for a while; then
    it is RedisMoved, with no connection closed. All else is as on any connection, MOVED included.
    """

    _detour: Detour
    _asked: Node

    @classmethod
    def instead_of(cls, connection: RedisConnection, detour: Detour, asked: Node) -> Self:
        """Take the connection over; it is not to be used any more."""
        following = cls(*connection.parts, where=connection.where, limits=connection.limits)
        following.client_id, following.in_cluster = connection.client_id, True
        following._detour, following._asked = detour, asked  # its own
        return following

    async def request(self, wire: bytes) -> Reply:
        """As RedisConnection has it."""
        return await self._followed(
            lambda: super(FollowingConnection, self).request(wire),
            lambda node: self._detour.request(node, wire),
        )

    async def pipeline(self, wires: Sequence[bytes]) -> list[Reply]:
        """As RedisConnection has it; what is sent on is sent one by one."""
        replies = await super().pipeline(wires)
        for number, reply in enumerate(replies):
            if isinstance(reply, ReplyError) and reply.code in UNSETTLED:
                # If it fails, the refusal is the reply, and the caller tries again.
                with suppress(RedisError):
                    replies[number] = await self._instead_of(reply, wires[number])
        return replies

    async def delivery(self, wire: bytes) -> Delivery:
        """As RedisConnection has it."""
        return await self._followed(
            lambda: super(FollowingConnection, self).delivery(wire),
            lambda node: self._detour.delivery(node, wire),
        )

    async def blocking_delivery(
        self, wire: bytes, *, block_ms: int, unblock: Callable[[], Awaitable[None]]
    ) -> Delivery:
        """As RedisConnection has it; where the slot moves to it does not block, and a pause follows if it is empty."""

        async def read() -> Delivery:
            return await super(FollowingConnection, self).blocking_delivery(
                wire, block_ms=block_ms, unblock=unblock
            )

        async def read_there(node: Node) -> Delivery:
            delivery = await self._detour.read(node, _BLOCK.sub(_BLOCK_BRIEFLY, wire, count=1))
            if not delivery.entries:
                await progress.pause(AGAIN_S)
            return delivery

        try:
            return await self._followed(read, read_there)
        except RedisRefused as error:
            if not is_key_gone(error):
                raise
        # Another read shows whether it was deleted or has moved.
        return await self._followed(read, read_there)

    def detached(self) -> DuplexConnection:
        """As RedisConnection has it; whoever goes on with it has to go after the slot."""
        self._detour.close()
        return super().detached()

    def close(self) -> None:
        """Close this connection, and the one of its detour."""
        super().close()
        self._detour.close()

    async def _instead_of(self, refusal: ReplyError, wire: bytes) -> Reply:
        """What a command is answered with elsewhere; a refusal there is a value, unless nobody has the key."""
        redirection = redirection_in(refusal.message, asked=self._asked)
        if redirection is not None:
            reply = await self._detour.reply(redirection.node, wire)
            if not isinstance(reply, ReplyError) or reply.code not in {*UNSETTLED, MOVED}:
                return reply
        return await self.request(wire)

    async def _followed(
        self, here: Callable[[], Awaitable[T]], there: Callable[[Node], Awaitable[T]]
    ) -> T:
        until_s = clocks.monotonic_s() + UNSETTLED_S_MAX
        while True:
            try:
                return await here()
            except RedisRefused as error:
                if error.code not in UNSETTLED:
                    raise
                refusal = error
            try:
                if (node := self._sent_on_to(refusal)) is not None:
                    return await there(node)
            except RedisRefused as error:
                # MOVED: that node has given the slot back, or it is settled by now.
                if error.code not in {*UNSETTLED, MOVED}:
                    raise
                refusal = error
            if clocks.monotonic_s() > until_s:
                raise RedisMoved(message_of(refusal), where=refusal.where, code=refusal.code)
            await progress.pause(AGAIN_S)

    def _sent_on_to(self, refusal: RedisRefused) -> Node | None:
        redirection = redirection_in(message_of(refusal), asked=self._asked)
        return None if redirection is None else redirection.node
