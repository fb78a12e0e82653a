"""One device's connection: what a session reads, writes and closes."""

from __future__ import annotations

import socket as stdlib
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, Self

import trio

from telemetry.chassis import clocks

if TYPE_CHECKING:
    from ingestion.listening.admission import Place
    from ingestion.listening.peer import Peer
    from ingestion.listening.preamble import Preamble

Transport = Literal["tcp", "tls"]


class Connection:
    """An accepted connection; leaving its `with` block closes it.

    Before the first login may stand the header of a proxy and the handshake of TLS: `establish` does both, in the
    session's task.
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
        """An SSLStream once TLS is established."""
        self.accepted_s = clocks.monotonic_s()
        """When the login clock began."""

    @property
    def address(self) -> str:
        """Host and port of the device, as announced by a proxy."""
        return str(self.peer)

    async def establish(self) -> bool:
        """Read the proxy's header and do the handshake of TLS; at once without either.

        False: the connection ended, broke, was refused or was closed, and this has been reported; close it.
        """
        return await self._preamble.establish(self)

    async def peek(self, bytes_max: int) -> bytes:
        """What has arrived, without taking it; empty at the end. Waits for a byte.

        Raises OSError if the connection broke, ClosedResourceError if it was closed here.
        """
        while self.socket.fileno() >= 0:
            await trio.lowlevel.wait_readable(self.socket)
            with suppress(BlockingIOError):
                return self._raw.recv(bytes_max, stdlib.MSG_PEEK)
        raise trio.ClosedResourceError

    def take(self, count: int) -> bytes:
        """The first bytes of what was peeked at."""
        return self._raw.recv(count)

    def shutdown(self) -> None:
        """Send FIN behind what was written: the peer reads all of it, and then the end."""
        with suppress(OSError):
            self._raw.shutdown(stdlib.SHUT_WR)

    def close(self) -> None:
        """Close it at once, from any task; whoever waits for it gets ClosedResourceError. Without harm twice."""
        self.socket.close()
        self.place.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
