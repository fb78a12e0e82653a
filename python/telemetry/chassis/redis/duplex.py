"""One Redis connection in both directions at once: one task sends commands, another takes the replies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from telemetry.chassis.errors import RedisUnavailable
from telemetry.chassis.redis.link import Link

if TYPE_CHECKING:
    from telemetry.chassis.redis.limits import RedisLimits
    from telemetry.chassis.redis.link import Replies


class DuplexConnection(Link):
    """A connection on which commands need not wait for the replies to those before them.

    It bounds no wait: whoever owns it knows which replies are owed, watches `heard_s`, and gives it up.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        socket: trio.socket.SocketType,
        *,
        where: str,
        limits: RedisLimits,
    ) -> None:
        """Take over an open stream on which no reply is owed."""
        super().__init__(stream, socket, where=where, limits=limits)
        self.heard_s = trio.current_time()
        """When the last bytes came in."""
        self._given_up_because: str | None = None

    async def send(self, wire: bytes) -> None:
        """Send commands; one task at a time. Raises RedisUnavailable.

        After an error the connection can still be received from: what came in before it is worth reading.
        """
        with self._in_our_words():
            await self._stream.send_all(wire)

    async def receive(self, replies: Replies) -> None:
        """Wait for bytes, and have `replies` take them; one task at a time.

        Raises RedisUnavailable if the connection was lost or given up, and if what came in is no reply.
        """
        try:
            with self._in_our_words():
                await self._receive(replies)
        except RedisUnavailable:
            if self._given_up_because is None:
                raise
            raise RedisUnavailable(self._given_up_because, where=self.where) from None
        self.heard_s = trio.current_time()

    def give_up(self, reason: str) -> None:
        """Close at once, from any task; whoever receives gets the reason."""
        self._given_up_because = reason
        self.close()
