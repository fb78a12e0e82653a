"""How bytes come and go on one connection: from the socket into the machine's own memory, or through TLS."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import trio

from telemetry._codec import END
from telemetry.chassis import clocks

if TYPE_CHECKING:
    from ingestion.listening.connection import Connection
    from telemetry._codec import End, Session, Step

# An answer has four bytes. TLS may first have to take something from the device.
SEND_TIMEOUT_S = 5.0


class Wire(Protocol):
    """The two kinds have this in common. Each raises OSError or one of Trio's errors when the connection is over."""

    async def receive(self, session: Session) -> Step | End | None:
        """Wait for bytes and give them to the machine: its next step, END, or None when it needs more."""

    async def receive_bytes(self, bytes_max: int) -> bytes:
        """Wait for bytes; empty at the end."""

    async def send(self, data: bytes) -> None:
        """Send an answer. A device that does not even take four bytes is gone: this is an error, and no wait."""


class PlainWire:
    """TCP: the machine receives by itself, without the GIL, into memory of its own."""

    __slots__ = ("_socket",)

    def __init__(self, socket: trio.socket.SocketType) -> None:
        self._socket = socket

    async def receive(self, session: Session) -> Step | End | None:
        """As in Wire."""
        if self._socket.fileno() < 0:
            raise trio.ClosedResourceError
        await trio.lowlevel.wait_readable(self._socket)
        return session.receive(self._socket, clocks.monotonic_ms())

    async def receive_bytes(self, bytes_max: int) -> bytes:
        """As in Wire."""
        return await self._socket.recv(bytes_max)

    async def send(self, data: bytes) -> None:
        """As in Wire."""
        os.write(self._socket.fileno(), data)


class TlsWire:
    """TLS over TCP."""

    __slots__ = ("_stream",)

    def __init__(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        self._stream = stream

    async def receive(self, session: Session) -> Step | End | None:
        """As in Wire."""
        data = await self.receive_bytes(session.wanted_bytes())
        return session.feed(data, clocks.monotonic_ms()) if data else END

    async def receive_bytes(self, bytes_max: int) -> bytes:
        """As in Wire."""
        return bytes(await self._stream.receive_some(bytes_max))

    async def send(self, data: bytes) -> None:
        """As in Wire."""
        with trio.fail_after(SEND_TIMEOUT_S):
            await self._stream.send_all(data)


def wire_of(connection: Connection) -> Wire:
    """The wire of a connection that is established."""
    if isinstance(connection.stream, trio.SSLStream):
        return TlsWire(connection.stream)
    return PlainWire(connection.socket)
