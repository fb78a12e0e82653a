"""What every connection to Redis is: an open stream that can be closed at once, and whose errors are in our words."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import trio

from telemetry._codec import CodecError
from telemetry.chassis.errors import RedisUnavailable
from telemetry.chassis.redis.errors import plain_reason

if TYPE_CHECKING:
    from types import TracebackType

    from telemetry._codec import HasFileno
    from telemetry.chassis.redis.limits import RedisLimits

# A piece of this size stays in the processor's second-level cache while it is decoded.
RECEIVE_BYTES = 256 * 1024


class Replies(Protocol):
    """Takes what a server sends, in the codec's own memory."""

    def receive(self, socket: HasFileno, bytes_max: int, /) -> int | None:
        """Take what is there, without waiting: its length, 0 at the end of the stream, None if nothing is there."""

    def feed(self, data: bytes, /) -> None:
        """Take what was received otherwise."""


class InOurWords:
    """A block in which a link is used. A class, as each batch passes through some: generators cost more."""

    __slots__ = ("_link",)

    def __init__(self, link: Link) -> None:
        self._link = link

    def __enter__(self) -> None:
        """Raise RedisUnavailable if the link is closed."""
        if self._link.closed:
            raise RedisUnavailable("the connection is closed", where=self._link.where)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Raise RedisUnavailable in the place of what went wrong on the way to the server."""
        if isinstance(exc, CodecError):
            raise RedisUnavailable(
                f"not the Redis protocol: {exc}", where=self._link.where
            ) from exc
        if isinstance(exc, trio.TooSlowError):
            raise RedisUnavailable("no answer in time", where=self._link.where) from None
        if isinstance(exc, (OSError, trio.BrokenResourceError, trio.ClosedResourceError)):
            reason = f": {reason}" if (reason := plain_reason(exc)) else ""
            raise RedisUnavailable(
                f"the connection was lost{reason}", where=self._link.where
            ) from exc


class InStep(InOurWords):
    """A block for one exchange: whatever goes wrong closes the link too, since a reply may be on its way."""

    __slots__ = ()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is not None:
            self._link.close()
            super().__exit__(exc_type, exc, traceback)


class Link:
    """An open stream to a server, with the socket below it."""

    def __init__(
        self,
        stream: trio.abc.Stream,
        socket: trio.socket.SocketType,
        *,
        where: str,
        limits: RedisLimits,
    ) -> None:
        """Take over an open stream; `socket` is the one below it, which can be closed without waiting."""
        self.where = where
        self.limits = limits
        self._stream = stream
        self._socket = socket
        # Through TLS, bytes may wait in its own buffer: the socket alone says nothing.
        self._is_plain = isinstance(stream, trio.SocketStream)

    @property
    def closed(self) -> bool:
        """Whether the connection cannot be used any more."""
        return self._socket.fileno() == -1

    def close(self) -> None:
        """Close the socket at once, without QUIT."""
        self._socket.close()

    def send_nowait(self, wire: bytes) -> int:
        """Send what the socket takes at once, while nobody else sends; returns how many bytes it took.

        None through TLS, and none after an error: whoever sends the rest and waits gets that.
        """
        if not self._is_plain or self.closed:
            return 0
        try:
            return os.write(self._socket.fileno(), wire)
        except OSError:
            return 0

    def _in_our_words(self) -> InOurWords:
        """Raise RedisUnavailable for what goes wrong in the block, and at its start if the connection is closed."""
        return InOurWords(self)

    async def _receive(self, replies: Replies) -> None:
        """Wait for bytes, and have `replies` take some at least. Raises RedisUnavailable at the end of the stream."""
        received = None if self._is_plain else await self._receive_decrypted(replies)
        # From the socket into the codec's own memory, which TLS cannot do.
        while received is None:
            if self.closed:
                # By another task, which learned from an error that this is the wrong server. Trio must not be asked to
                # wait for a socket that is closed.
                raise trio.ClosedResourceError
            await trio.lowlevel.wait_readable(self._socket)
            received = replies.receive(self._socket, RECEIVE_BYTES)
        if not received:
            raise RedisUnavailable("the server closed the connection", where=self.where)

    async def _receive_decrypted(self, replies: Replies) -> int:
        piece = bytes(await self._stream.receive_some(RECEIVE_BYTES))
        replies.feed(piece)
        return len(piece)
