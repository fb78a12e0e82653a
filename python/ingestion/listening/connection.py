"""One device's connection: what a session reads, writes and closes."""

from __future__ import annotations

import socket as stdlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal

import trio

from telemetry import _codec
from telemetry.chassis import clocks

if TYPE_CHECKING:
    from ingestion.listening.admission import Place
    from ingestion.listening.peer import Peer
    from ingestion.listening.preamble import Preamble
    from telemetry._codec import End, Session, Step

Transport = Literal["tcp", "tls"]

# Under TLS there is no way to write without waiting: so long an answer waits for the device's window.
TLS_SEND_S_MAX: Final = 1.0


class Connection:
    """An accepted connection. What it says of broken connections: OSError, or Trio's BrokenResourceError.

    `close` may be called by any task; whoever waits for the connection then gets ClosedResourceError.
    """

    __slots__ = (
        "_preamble",
        "_raw",
        "accepted_s",
        "peer",
        "place",
        "socket",
        "stream",
        "transport",
    )

    def __init__(
        self,
        raw: stdlib.socket,
        *,
        peer: Peer,
        transport: Transport,
        place: Place,
        preamble: Preamble,
    ) -> None:
        self._raw = raw
        self._preamble = preamble
        self.place = place
        self.peer = peer
        """Who connected, or whom a proxy announced."""
        self.transport: Transport = transport
        self.socket = trio.socket.from_stdlib_socket(raw)
        self.stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] = trio.SocketStream(
            self.socket
        )
        """An SSLStream once the handshake is done."""
        self.accepted_s = clocks.monotonic_s()
        """When the login clock began."""

    @property
    def address(self) -> str:
        """Host and port of the device, as announced by a proxy."""
        return str(self.peer)

    async def establish(self) -> bool:
        """Go through what stands before the first login: a proxy's header and the handshake of TLS, if any.

        False: there is no session to begin. The connection ended, broke, was refused, or was closed; this has been
        counted and reported, also as a probe. Close it.
        """
        return await self._preamble.establish(self)

    async def receive(self, session: Session) -> Step | End | None:
        """Wait for bytes, have the session take them, and return its step."""
        if self.transport == "tcp":
            await self._wait_readable()
            return session.receive(self.socket, clocks.monotonic_ms())
        data = await self.receive_bytes(session.wanted_bytes())
        return session.feed(data, clocks.monotonic_ms()) if data else _codec.END

    async def receive_bytes(self, bytes_max: int) -> bytes:
        """Wait for bytes; empty at the end."""
        return bytes(await self.stream.receive_some(bytes_max))

    async def send(self, data: bytes) -> None:
        """Write a few bytes, without waiting for the device. Raises BrokenResourceError if its window is full."""
        if self.transport == "tcp":
            if self._sent_at_once(data) < len(data):
                raise trio.BrokenResourceError("the device takes no answers")
            return
        with trio.move_on_after(TLS_SEND_S_MAX) as patience:
            await self.stream.send_all(data)
        if patience.cancelled_caught:
            raise trio.BrokenResourceError("the device takes no answers")

    async def peek(self, bytes_max: int) -> bytes:
        """Wait for bytes, and leave them there; empty at the end."""
        while True:
            await self._wait_readable()
            with suppress(BlockingIOError):
                return self._raw.recv(bytes_max, stdlib.MSG_PEEK)

    def take(self, count: int) -> bytes:
        """The first bytes of what was peeked at."""
        return self._raw.recv(count)

    def shutdown(self) -> None:
        """Send FIN behind what was written: the device reads all of it, and then the end."""
        with suppress(OSError):
            self._raw.shutdown(stdlib.SHUT_WR)

    def close(self) -> None:
        """Close it at once. Without harm twice."""
        self.socket.close()
        self.place.leave()

    async def _wait_readable(self) -> None:
        if self._raw.fileno() < 0:
            raise trio.ClosedResourceError
        await trio.lowlevel.wait_readable(self._raw)

    def _sent_at_once(self, data: bytes) -> int:
        if self._raw.fileno() < 0:
            raise trio.ClosedResourceError
        try:
            return self._raw.send(data)
        except BlockingIOError:
            return 0
