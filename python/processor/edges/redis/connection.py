"""One Redis connection: commands out, replies in, in step, and closed as soon as it falls out of step."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import trio

from processor._codec import (
    CodecError,
    Delivery,
    Incomplete,
    ReplyError,
    ReplyParser,
)
from processor.errors import RedisRefused, RedisUnavailable

if TYPE_CHECKING:
    from processor._codec import Reply

# A piece of this size stays in the processor's second-level cache while it is decoded.
RECEIVE_BYTES = 256 * 1024
# What a blocked read may take beyond its BLOCK: Redis overruns it when it is busy.
READ_MARGIN_MS = 5_000
# CLIENT UNBLOCK finds nobody when it overtakes the read on its way to the server: it is sent again.
UNBLOCK_AGAIN_MS = 50

T = TypeVar("T")


class RedisConnection:
    """A connection for one task at a time; `request` alone may be called by several.

    Whatever interrupts an exchange, a cancellation included, closes the connection: a reply that
    nobody waits for would answer the next command.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        socket: trio.socket.SocketType,
        parser: ReplyParser,
        *,
        where: str,
    ) -> None:
        """Take over an open stream; `socket` is what it stands on, to be closed without waiting."""
        self.where = where
        self.client_id = 0
        self._stream = stream
        self._socket = socket
        self._parser = parser
        self._in_use = trio.Lock()

    @property
    def closed(self) -> bool:
        """Whether the connection is of no more use."""
        return self._socket.fileno() == -1

    def close(self) -> None:
        """Close the socket at once, without a farewell."""
        self._socket.close()

    async def request(self, wire: bytes, *, timeout_ms: int) -> Reply:
        """Send one command and return its reply.

        Raises RedisRefused when Redis answers with an error, RedisUnavailable when it does not answer.
        """
        async with self._in_use:
            with self._in_step(), self._within(_deadline(timeout_ms)):
                await self._stream.send_all(wire)
                reply = await self._whole(self._parser.next_reply)
        if isinstance(reply, ReplyError):
            raise self._refused(reply)
        return reply

    async def delivery(self, wire: bytes, *, timeout_ms: int) -> Delivery:
        """Send a read that does not block and return what it delivered. Raises like `request`."""
        with self._in_step(), self._within(_deadline(timeout_ms)):
            await self._stream.send_all(wire)
            delivery: Delivery | ReplyError = await self._whole(self._next_read)
        if isinstance(delivery, ReplyError):
            raise self._refused(delivery)
        return delivery

    async def blocking_delivery(
        self, wire: bytes, *, block_ms: int, unblock: Callable[[], Awaitable[None]]
    ) -> Delivery:
        """Send a read that blocks for `block_ms` and return what it delivered. Raises like `request`.

        Once Redis has the command, it counts entries as delivered that may still be on their way. So
        a cancellation does not interrupt the read: it has `unblock` wake it, and the delivery is
        returned; the caller meets its cancellation at the next checkpoint.
        """
        deadline = _deadline(block_ms + READ_MARGIN_MS)
        await trio.lowlevel.checkpoint_if_cancelled()
        with self._in_step():
            with self._within(deadline, shield=True):
                await self._stream.send_all(wire)
            try:
                with self._within(deadline):
                    await self._receive()
            except trio.Cancelled:
                # Not raised again: the delivery outlives the cancellation, see above.
                with self._within(deadline, shield=True):
                    await self._receive_unblocked(unblock)
            with self._within(deadline, shield=True):
                delivery: Delivery | ReplyError = await self._whole(self._next_read)
        if isinstance(delivery, ReplyError):
            raise self._refused(delivery)
        return delivery

    async def _receive_unblocked(self, unblock: Callable[[], Awaitable[None]]) -> None:
        answered = False
        while not answered:
            await unblock()
            with trio.move_on_after(UNBLOCK_AGAIN_MS / 1000):
                await self._receive()
                answered = True

    async def _whole(self, parse: Callable[[], T | Incomplete]) -> T:
        while True:
            reply = parse()
            if not isinstance(reply, Incomplete):
                return reply
            await self._receive()

    async def _receive(self) -> None:
        piece = await self._stream.receive_some(RECEIVE_BYTES)
        if not piece:
            raise RedisUnavailable("the server closed the connection", where=self.where)
        self._parser.feed(bytes(piece))

    def _next_read(self) -> Delivery | ReplyError | Incomplete:
        return self._parser.next_read(time.time_ns() // 1000)

    def _refused(self, error: ReplyError) -> RedisRefused:
        return RedisRefused(error.message, where=self.where, code=error.code)

    @contextmanager
    def _in_step(self) -> Iterator[None]:
        """Translate what goes wrong in an exchange, and close the connection, whatever it is."""
        if self.closed:
            raise RedisUnavailable("the connection is closed", where=self.where)
        try:
            yield
        except CodecError as error:
            self.close()
            raise RedisUnavailable(f"not the Redis protocol: {error}", where=self.where) from error
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self.close()
            raise RedisUnavailable("the connection was lost", where=self.where) from error
        except BaseException:
            self.close()
            raise

    @contextmanager
    def _within(self, deadline: float, *, shield: bool = False) -> Iterator[None]:
        with trio.CancelScope(deadline=deadline, shield=shield) as scope:
            yield
        if scope.cancelled_caught:
            raise RedisUnavailable("no answer in time", where=self.where)


def _deadline(timeout_ms: int) -> float:
    return trio.current_time() + timeout_ms / 1000
