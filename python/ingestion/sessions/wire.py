"""How bytes come and go on one connection: from the socket into the machine's own memory, or through TLS."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import trio

from telemetry._codec import END
from telemetry.chassis import clocks

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from ingestion.listening.connection import Connection
    from ingestion.taps.taps import Tap
    from telemetry._codec import End, Session, Step

# An answer has four bytes. TLS may first have to take something from the device.
SEND_TIMEOUT_S = 5.0


class Wire(Protocol):
    """The two kinds have this in common. Each raises OSError or one of Trio's errors when the connection is over."""

    tap: Tap | None
    """Whoever watches the conversation. It may change while `receive` waits."""

    async def receive(self, session: Session) -> Step | End | None:
        """Wait for bytes and give them to the machine: its next step, END, or None when it needs more."""

    async def send(self, data: bytes) -> None:
        """Send an answer. A device that does not even take four bytes is gone: this is an error, and no wait."""


class PlainWire:
    """TCP: the machine receives by itself, without the GIL, into memory of its own."""

    __slots__ = ("_socket", "tap")

    def __init__(self, socket: trio.socket.SocketType) -> None:
        self.tap: Tap | None = None
        self._socket = socket

    async def receive(self, session: Session) -> Step | End | None:
        """As in Wire."""
        await self.readable()
        return self.receive_nowait(session)

    def readable(self) -> Awaitable[None]:
        """Wait until there is something to receive. Not a coroutine of its own, which thousands would keep."""
        if self._socket.fileno() < 0:
            raise trio.ClosedResourceError
        return trio.lowlevel.wait_readable(self._socket)  # noqa: ASYNC105  # awaited by the caller

    def receive_nowait(self, session: Session) -> Step | End | None:
        """The second half of `receive`."""
        if self.tap is None:
            return session.receive(self._socket, clocks.monotonic_ms())
        try:
            data = os.read(self._socket.fileno(), session.wanted_bytes())
        except BlockingIOError:
            # Woken for nothing.
            return None
        return _fed(session, data, self.tap)

    async def send(self, data: bytes) -> None:
        """As in Wire."""
        self.send_nowait(data)

    def send_nowait(self, data: bytes) -> None:
        """The same as `send`, from whatever task."""
        if os.write(self._socket.fileno(), data) < len(data):
            raise trio.BrokenResourceError("the device takes no answers")
        if self.tap is not None:
            self.tap.sent(data)


class TlsWire:
    """TLS over TCP."""

    __slots__ = ("_stream", "tap")

    def __init__(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        self.tap: Tap | None = None
        self._stream = stream

    async def receive(self, session: Session) -> Step | End | None:
        """As in Wire."""
        data = bytes(await self._stream.receive_some(session.wanted_bytes()))
        return _fed(session, data, self.tap)

    async def send(self, data: bytes) -> None:
        """As in Wire."""
        with trio.fail_after(SEND_TIMEOUT_S):
            await self._stream.send_all(data)
        if self.tap is not None:
            self.tap.sent(data)


def _fed(session: Session, data: bytes, tap: Tap | None) -> Step | End | None:
    if not data:
        return END
    if tap is not None:
        tap.received(data)
    return session.feed(data, clocks.monotonic_ms())


def wire_of(connection: Connection) -> Wire:
    """The wire of a connection that is established."""
    if connection.tls is not None:
        return TlsWire(connection.tls)
    return PlainWire(connection.socket)
