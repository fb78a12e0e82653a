"""A relay between a client and a Redis server: with TLS, in small pieces, or cut off.

Not every Redis is built with TLS; the relay adds it. Links that are slow, close idle connections or lead elsewhere
are in dev/servers/relay.py.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio

from dev.servers.ports import HOST
from dev.servers.redis_users import PROCESSOR, login

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path


@dataclass
class Relay:
    """Listens on `port`; the other fields may be changed while it runs."""

    port: int = 0
    # Bytes from the server that are passed on at a time.
    piece_bytes: int = 65_536
    # The connection ends after this number of bytes from the server.
    cut_after_bytes: int | None = None

    def cut(self, data: bytes) -> bytes:
        """The part of `data` that is passed on; less than all of it ends the connection."""
        if self.cut_after_bytes is None:
            return data
        passed = data[: self.cut_after_bytes]
        self.cut_after_bytes -= len(passed)
        return passed


def tls_url(relay: Relay, authority_file: Path, user: str = PROCESSOR) -> str:
    """The URL of the relay, if it speaks TLS."""
    return f"rediss://{login(user)}@localhost:{relay.port}/0?ssl_ca_certs={authority_file}"


@asynccontextmanager
async def relay_to(server_port: int, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Relay]:
    """Relay connections to the server on `server_port` until the block ends."""
    relay = Relay()
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, partial(_serve, relay, server_port, tls), 0, host=HOST)
        [listener] = await nursery.start(serve)
        relay.port = listener.socket.getsockname()[1]
        yield relay
        nursery.cancel_scope.cancel()


async def _serve(
    relay: Relay, server_port: int, tls: ssl.SSLContext | None, transport: trio.SocketStream
) -> None:
    client: trio.abc.Stream = transport
    if tls is not None:
        client = trio.SSLStream(transport, tls, server_side=True)
    with transport.socket:
        try:
            server = await trio.open_tcp_stream(HOST, server_port)
            with server.socket:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_pass_on, client, server, nursery.cancel_scope)
                    await _answer(relay, server, client)
                    nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, OSError):
            pass  # Either end is gone, as tests want it.


async def _pass_on(source: trio.abc.Stream, sink: trio.abc.Stream, scope: trio.CancelScope) -> None:
    while data := await source.receive_some(65_536):
        await sink.send_all(data)
    scope.cancel()


async def _answer(relay: Relay, server: trio.abc.Stream, client: trio.abc.Stream) -> None:
    whole = True
    while whole and (data := await server.receive_some(65_536)):
        passed = relay.cut(bytes(data))
        whole = len(passed) == len(data)
        for start in range(0, len(passed), relay.piece_bytes):
            await client.send_all(passed[start : start + relay.piece_bytes])
