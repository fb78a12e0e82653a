"""A TCP relay that can stop passing anything on: a frozen server, without touching the server.

It works for servers on other machines too, where nobody could send SIGSTOP. As with a frozen server, connections
stay open, new ones are taken by the system, and what was sent meanwhile arrives when it thaws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from drills.detour import RELAY_HOST

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_PIECE_BYTES = 65_536


class Relay:
    """Passes connections on to whatever `connect` connects to, once `serve` runs."""

    def __init__(self, connect: Callable[[], Awaitable[trio.SocketStream]]) -> None:
        self._connect = connect
        self._thawed = trio.Event()
        self._thawed.set()

    def freeze(self) -> None:
        """Pass nothing on until `thaw`. Idempotent."""
        if self._thawed.is_set():
            self._thawed = trio.Event()

    def thaw(self) -> None:
        """Pass on what has gathered, and go on. Idempotent."""
        self._thawed.set()

    async def serve(self, *, task_status: trio.TaskStatus[int]) -> None:
        """Listen until cancelled; starts with the port."""
        listeners = await trio.open_tcp_listeners(0, host=RELAY_HOST)
        task_status.started(listeners[0].socket.getsockname()[1])
        await trio.serve_listeners(self._handle, listeners)

    async def _handle(self, client: trio.SocketStream) -> None:
        with client.socket:
            await self._thawed.wait()
            try:
                server = await self._connect()
            except OSError:
                return  # The service sees a closed connection, as from a server that is away.
            with server.socket:
                async with trio.open_nursery() as pair:
                    pair.start_soon(self._pass_on, client, server)
                    pair.start_soon(self._pass_on, server, client)

    async def _pass_on(self, source: trio.SocketStream, sink: trio.SocketStream) -> None:
        try:
            while data := await source.receive_some(_PIECE_BYTES):
                await self._thawed.wait()
                await sink.send_all(data)
            # The other direction may have more to say: a server that is told to end answers first.
            await self._thawed.wait()
            await sink.send_eof()
        except trio.BrokenResourceError:
            # Either end is gone. A reset by one is an end for the other.
            for stream in (source, sink):
                stream.socket.close()
        except trio.ClosedResourceError:
            pass  # The other direction has noticed it first.


async def connect_to(host: str, port: int) -> trio.SocketStream:
    """Connect to a host, or to PostgreSQL's socket in a directory."""
    if host.startswith("/"):
        return await trio.open_unix_socket(f"{host}/.s.PGSQL.{port}")
    return await trio.open_tcp_stream(host, port)
