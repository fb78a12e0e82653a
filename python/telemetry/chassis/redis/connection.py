"""One Redis connection: commands out, replies in, in step; closed as soon as it falls out of step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import trio

from telemetry._codec import Delivery, Incomplete, ReplyError, ReplyParser
from telemetry.chassis import clocks
from telemetry.chassis.deadlines import Deadline
from telemetry.chassis.errors import RedisMoved, RedisRefused, RedisUnavailable
from telemetry.chassis.lock import Lock
from telemetry.chassis.redis.duplex import DuplexConnection
from telemetry.chassis.redis.errors import refusal_of
from telemetry.chassis.redis.link import RECEIVE_BYTES, InStep, Link
from telemetry.chassis.redis.resp import as_time_us, encode
from telemetry.chassis.redis.within import Within

if TYPE_CHECKING:
    from telemetry._codec import Reply
    from telemetry.chassis.redis.limits import RedisLimits

# Sent within one `silence_ms`: 13 kB/s at least.
SEND_BYTES = 64 * 1024
TIME = encode("TIME")

T = TypeVar("T")


class RedisConnection(Link):
    """A connection that blocks in reads for one task, or serves several tasks in turns.

    Whatever interrupts an exchange, a cancellation included, closes the connection: a reply that
    nobody waits for would be taken for the reply to the next command.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        socket: trio.socket.SocketType,
        parser: ReplyParser,
        *,
        where: str,
        limits: RedisLimits,
    ) -> None:
        """Take over an open stream; `socket` is the one below it, which can be closed without waiting."""
        super().__init__(stream, socket, where=where, limits=limits)
        self.client_id = 0
        # As the server says in its greeting; None: it did not greet us.
        self.in_cluster: bool | None = None
        # Called when the server turns out to be the wrong one.
        self.when_moved: Callable[[], None] = self.close
        self._parser = parser
        self._in_use = Lock()
        self._deadline = Deadline()
        self._used_at_s = clocks.monotonic_s()

    @property
    def idle_s(self) -> float:
        """Seconds since an exchange last waited for its reply; 0 within one, and when the connection is closed."""
        if self.closed or self._in_use.locked():
            return 0.0
        return clocks.monotonic_s() - self._used_at_s

    async def request(self, wire: bytes) -> Reply:
        """Send one command and return its reply, however long that takes while bytes move.

        Raises RedisRefused if Redis answers with an error, RedisUnavailable if it does not answer.
        """
        async with self._in_use:
            with InStep(self):
                await self._send(wire)
                reply = await self._whole(self._parser.next_reply)
        if isinstance(reply, ReplyError):
            raise self.refused(reply.message)
        return reply

    async def request_integer(self, wire: bytes) -> int:
        """Send one command that Redis answers with an integer. Raises like `request`."""
        return self.expect_integer(await self.request(wire))

    async def pipeline(self, wires: Sequence[bytes]) -> list[Reply]:
        """Send commands at once and return their replies, refusals among them as values.

        If the connection is lost meanwhile, only the first replies are returned. Raises
        RedisUnavailable if there is not even one.
        """
        replies: list[Reply] = []
        async with self._in_use:
            try:
                with InStep(self):
                    await self._send(b"".join(wires))
                    while len(replies) < len(wires):
                        replies.append(await self._whole(self._parser.next_reply))
            except RedisUnavailable:
                if not replies:
                    raise
        return replies

    async def delivery(self, wire: bytes) -> Delivery:
        """Send an XCLAIM and return what it delivered. Raises like `request`."""
        async with self._in_use:
            with InStep(self):
                await self._send(wire)
                delivery: Delivery | ReplyError = await self._whole(self._parser.next_claim)
                if isinstance(delivery, Delivery) and delivery.outside:
                    delivery = await self._judged(delivery)
        return self._accepted(delivery)

    async def blocking_delivery(
        self, wire: bytes, *, block_ms: int, unblock: Callable[[], Awaitable[None]]
    ) -> Delivery:
        """Send a read that blocks for `block_ms` and return what it delivered. Raises like `request`.

        Once Redis has the command, it counts entries as delivered that may still be on their way. So
        a cancellation does not interrupt the read: `unblock` wakes it, and the delivery is returned.
        The caller's next checkpoint raises Cancelled.
        """
        async with self._in_use:
            with InStep(self):
                if (sent := self.send_nowait(wire)) < len(wire):
                    with trio.CancelScope(shield=True):
                        await self._send(wire[sent:])
                try:
                    await self._more(block_ms + self.limits.silence_ms)
                    delivery: Delivery | ReplyError = await self._whole(self._parser.next_read)
                except trio.Cancelled:
                    # Not raised again: the delivery outlives the cancellation, see above.
                    with self._within(self.limits.wake_ms, shield=True):
                        delivery = await self._woken(unblock)
                if isinstance(delivery, Delivery) and delivery.outside:
                    delivery = await self._judged(delivery)
        return self._accepted(delivery)

    def expect_integer(self, reply: Reply) -> int:
        """A reply that must be an integer; else the server is not a Redis. Raises like `request`."""
        if isinstance(reply, ReplyError):
            raise self.refused(reply.message)
        if not isinstance(reply, int):
            self.close()
            raise RedisUnavailable("an integer was expected: is it a Redis?", where=self.where)
        return reply

    def refused(self, message: str) -> RedisRefused:
        """The error for what Redis answered. One that points elsewhere also calls `when_moved`."""
        error = refusal_of(message, where=self.where)
        if isinstance(error, RedisMoved):
            self.when_moved()
        return error

    async def send(self, wire: bytes) -> None:
        """Send without waiting for a reply: all that a subscriber gets is `received`. Raises RedisUnavailable."""
        async with self._in_use:
            with InStep(self):
                await self._send(wire)

    async def received(self, *, within_ms: int) -> bytes:
        """The next bytes of a subscriber, some at least. Raises RedisUnavailable if none come in time."""
        with InStep(self):
            with self._within(within_ms):
                piece = bytes(await self._stream.receive_some(RECEIVE_BYTES))
            if not piece:
                raise RedisUnavailable("the server closed the connection", where=self.where)
        return piece

    @property
    def parts(self) -> tuple[trio.abc.Stream, trio.socket.SocketType, ReplyParser]:
        """What a connection of another kind takes over. This one is not to be used any more afterwards."""
        return self._stream, self._socket, self._parser

    def detached(self) -> DuplexConnection:
        """Hand the open stream over to a connection of two directions. Not to be used any more afterwards."""
        return DuplexConnection(self._stream, self._socket, where=self.where, limits=self.limits)

    async def _send(self, wire: bytes) -> None:
        # As a rule the socket takes it all at once.
        for start in range(self.send_nowait(wire), len(wire), SEND_BYTES):
            with self._within(self.limits.silence_ms):
                await self._stream.send_all(wire[start : start + SEND_BYTES])

    async def _woken(self, unblock: Callable[[], Awaitable[None]]) -> Delivery | ReplyError:
        while True:
            await unblock()
            with trio.move_on_after(self.limits.unblock_again_ms / 1000):
                return await self._whole(self._parser.next_read)

    async def _whole(self, parse: Callable[[], T | Incomplete]) -> T:
        while True:
            reply = parse()
            if not isinstance(reply, Incomplete):
                return reply
            await self._more(self.limits.silence_ms)

    async def _more(self, timeout_ms: int) -> None:
        """Have the parser take some bytes at least. Raises RedisUnavailable if none come in time."""
        self._used_at_s = clocks.monotonic_s()
        if self._is_plain:
            with self._deadline.at(self._used_at_s + timeout_ms / 1000, self._socket):
                await self._receive(self._parser)
        else:
            with self._within(timeout_ms):
                await self._receive(self._parser)

    async def _judged(self, delivery: Delivery) -> Delivery:
        """Judge records outside of the window around their entry's id by the server's time as well.

        TIME is asked on the same connection, behind the delivery.
        Without an answer nobody knows whether such a record is to blame, and the delivery counts as
        lost: it is pending, is delivered again, and judged again. Outlives a cancellation for `wake_ms`.
        """
        with self._within(self.limits.wake_ms, shield=True):
            await self._stream.send_all(TIME)
        try:
            reply = await self._whole(self._parser.next_reply)
        except trio.Cancelled:
            with self._within(self.limits.wake_ms, shield=True):
                reply = await self._whole(self._parser.next_reply)
        if isinstance(reply, ReplyError):
            raise self.refused(reply.message)
        if (time_us := as_time_us(reply)) is None:
            raise RedisUnavailable("a time was expected: is it a Redis?", where=self.where)
        return delivery.judged(time_us)

    def _accepted(self, delivery: Delivery | ReplyError) -> Delivery:
        if isinstance(delivery, ReplyError):
            raise self.refused(delivery.message)
        return delivery

    def _within(self, timeout_ms: int, *, shield: bool = False) -> Within:
        """Raise RedisUnavailable if the block takes longer."""
        return Within(timeout_ms, self.where, shield=shield)
