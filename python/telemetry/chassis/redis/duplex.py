"""One Redis connection in both directions at once: one task sends commands, another takes the replies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from telemetry.chassis.errors import RedisUnavailable
from telemetry.chassis.redis.link import Link

if TYPE_CHECKING:
    from telemetry.chassis.redis.limits import RedisLimits
    from telemetry.chassis.redis.link import Replies


# Waking up for fewer bytes costs less than asking not to be woken.
AWAITED_BYTES_MIN: Final = 2 * 1024
# For more, a reply would wait longer for the others than the fewer wake-ups are worth.
AWAITED_BYTES_MAX: Final = 32 * 1024


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
        # Poll heeds it on TCP alone, and TLS has records and a buffer of its own.
        self._can_wait_for_more = (
            isinstance(stream, trio.SocketStream) and socket.family != trio.socket.AF_UNIX
        )
        self._wakes_at_bytes = 1

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

    def await_bytes(self, bytes_min: int) -> None:
        """So many bytes are owed at least: `receive` need not return for fewer of them, up to a bound.

        To be said again whenever less is owed, else the last bytes are never seen. Where the socket cannot do it,
        nothing changes.
        """
        if not self._can_wait_for_more or self.closed:
            return
        wanted = 1 if bytes_min < AWAITED_BYTES_MIN else min(bytes_min, AWAITED_BYTES_MAX)
        # A little more is not worth the call.
        if wanted < self._wakes_at_bytes or wanted >= 2 * self._wakes_at_bytes:
            self._wakes_at_bytes = wanted
            self._socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVLOWAT, wanted)

    def give_up(self, reason: str) -> None:
        """Close at once, from any task; whoever receives gets the reason."""
        self._given_up_because = reason
        self.close()
