"""One device's connection: what a session reads, writes and closes."""

from __future__ import annotations

import socket as stdlib
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import trio

from telemetry.chassis import clocks

if TYPE_CHECKING:
    from ingestion.listening.admission import Place
    from ingestion.listening.peer import Peer
    from ingestion.listening.preamble import Preamble

Transport = Literal["tcp", "tls"]


class Connection:
    """An accepted connection. Any task may close it; whoever waits for it then gets ClosedResourceError."""

    __slots__ = (
        "_preamble",
        "_raw",
        "accepted_s",
        "peer",
        "place",
        "socket",
        "tls",
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
        self.tls: trio.SSLStream[trio.SocketStream] | None = None
        """Once the handshake is done, if there is one."""
        self.accepted_s = clocks.monotonic_s()
        """When the login clock began."""

    @property
    def address(self) -> str:
        """Host and port of the device, as announced by a proxy."""
        return str(self.peer)

    @property
    def stream(self) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
        """For whoever needs more than the socket. A crowd of silent devices does not, and a stream costs 350 bytes."""
        return self.tls or trio.SocketStream(self.socket)

    async def establish(self) -> bool:
        """Go through what stands before the first login: a proxy's header and the handshake of TLS, if any.

        False: there is no session to begin. The connection ended, broke, was refused, or was closed; this has been
        counted and reported, also as a probe. Close it.
        """
        return await self._preamble.establish(self)

    async def peek(self, bytes_max: int) -> bytes:
        """Wait for bytes, and leave them there; empty at the end. Raises OSError if the connection broke."""
        while self._raw.fileno() >= 0:
            await trio.lowlevel.wait_readable(self._raw)
            with suppress(BlockingIOError):
                return self._raw.recv(bytes_max, stdlib.MSG_PEEK)
        raise trio.ClosedResourceError

    @property
    def has_unread(self) -> bool:
        """Whether bytes have come that nobody has read. Under TLS only its own buffers know: no."""
        if self.tls is not None:
            return False
        try:
            return bool(self._raw.recv(1, stdlib.MSG_PEEK))
        except OSError:
            return False

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
