"""One TCP connection of a device: the login, a frame and its answer, pings, and whether it is still in step."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from telemetry.chassis.errors import EdgeError, TelemetryError

if TYPE_CHECKING:
    from typing import Self

PING: Final = b"\xff"
_ADMITTED, _REFUSED = b"\x01", b"\x00"
_ANSWER_BYTES: Final = 4
# More than one answer: what comes beyond it shows that server and device are out of step.
_RECEIVED_BYTES_MAX: Final = 64


class LinkLost(TelemetryError):
    """There is no connection, or none any more."""


class NobodyListens(LinkLost):
    """The connection was not made."""


class OutOfStep(TelemetryError):
    """The server sent what nobody waited for: no answer on this connection can be trusted."""


class ServerAddress(NamedTuple):
    """Where devices connect to, resolved once for all of them."""

    where: str
    """As the operator wrote it."""
    family: int
    socket_address: tuple[str | int | bytes, ...]


async def resolve(host: str, port: int) -> ServerAddress:
    """The first address of a host. Raises EdgeError."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise EdgeError(error.strerror or "unknown host", where=where) from error
    family, _, _, _, address = found[0]
    return ServerAddress(where, family, address)


class Link:
    """A connection, from the device's side. Raises LinkLost when it ends, OutOfStep when it cannot be trusted."""

    def __init__(self, raw: socket.socket, stream: trio.SocketStream) -> None:
        self._raw = raw
        self._stream = stream

    @classmethod
    async def connect(cls, server: ServerAddress, *, within_s: float) -> Self:
        """Connect. Raises NobodyListens."""
        raw = socket.socket(server.family, socket.SOCK_STREAM)
        raw.setblocking(False)  # noqa: FBT003 - the standard library's
        connecting = trio.socket.from_stdlib_socket(raw)
        try:
            with trio.fail_after(within_s):
                await connecting.connect(server.socket_address)
        except trio.TooSlowError:
            connecting.close()
            raise NobodyListens(f"no connection within {within_s:g} s") from None
        except OSError as error:
            connecting.close()
            # Trio's own text names the address once more.
            raise NobodyListens(os.strerror(error.errno or errno.EIO)) from error
        except BaseException:
            connecting.close()
            raise
        return cls(raw, trio.SocketStream(connecting))

    async def log_in(self, imei: str) -> bool:
        """Whether the server admits the device."""
        await self._send(len(imei).to_bytes(2) + imei.encode())
        answer = await self._receive()
        if answer not in {_ADMITTED, _REFUSED}:
            raise OutOfStep(f"a login was answered with {answer.hex()}")
        return answer == _ADMITTED

    async def exchange(self, frame: bytes) -> int:
        """Send a frame and wait for its answer: the number that it says. Call `check_silent` right before."""
        await self._send(frame)
        answer = b""
        while len(answer) < _ANSWER_BYTES:
            answer += await self._receive()
        if len(answer) > _ANSWER_BYTES:
            raise OutOfStep(f"a frame was answered with {answer.hex()}")
        return int.from_bytes(answer)

    async def ping(self) -> None:
        """Show that the device is there; nothing answers."""
        await self._send(PING)

    def check_silent(self) -> None:
        """Nothing may have come since the last answer: it would be taken for the next one."""
        try:
            received = self._raw.recv(_RECEIVED_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError as error:
            raise LinkLost(error.strerror or str(error)) from error
        if not received:
            raise LinkLost("closed by the server")
        raise OutOfStep(f"{received.hex()} came, and no frame was unanswered")

    async def listen(self) -> None:
        """Wait until something comes; that is never an answer, so it raises, too."""
        while True:
            await trio.lowlevel.wait_readable(self._raw)
            self.check_silent()

    def close(self) -> None:
        """Close it at once; what is unread is lost."""
        self._stream.socket.close()

    async def _send(self, data: bytes) -> None:
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError as error:
            raise LinkLost("closed by the server") from error

    async def _receive(self) -> bytes:
        try:
            received = await self._stream.receive_some(_RECEIVED_BYTES_MAX)
        except trio.BrokenResourceError as error:
            raise LinkLost("reset by the server") from error
        if not received:
            raise LinkLost("closed by the server")
        return bytes(received)
