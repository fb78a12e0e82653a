"""Run, the frozen server: a TCP relay that can stop passing anything on, and the URLs that lead through it.

No server is touched, and it works for servers on other machines, where nobody could send SIGSTOP. As with a
frozen server, connections stay open, the system takes new ones, and what was sent meanwhile arrives when it thaws.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import trio

from telemetry.chassis.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from telemetry.chassis.config.redis_target import RedisTarget

RELAY_HOST = "127.0.0.1"
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
            # The other direction stays open: a server answers before it closes.
            await self._thawed.wait()
            await sink.send_eof()
        except trio.BrokenResourceError:
            # Either end is gone. A reset by one is an end for the other.
            for stream in (source, sink):
                stream.socket.close()
        except trio.ClosedResourceError:
            pass  # The other direction has noticed it first.


@asynccontextmanager
async def serving(relay: Relay) -> AsyncIterator[tuple[Relay, int]]:
    """The relay, serving, and its port."""
    async with trio.open_nursery() as nursery:
        port = await nursery.start(relay.serve)
        yield relay, port
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def redis_relay(url: str, target: RedisTarget) -> AsyncIterator[tuple[Relay, str]]:
    """A relay before Redis, and the URL that leads through it. Raises ConfigError."""
    if target.path is not None:
        connect = partial(trio.open_unix_socket, target.path)
    else:
        connect = partial(trio.open_tcp_stream, target.host, target.port)
    async with serving(Relay(connect)) as (relay, port):
        yield relay, redis_detour(url, target, port)


async def connect_to(host: str, port: int) -> trio.SocketStream:
    """Connect to a host, or to PostgreSQL's socket in a directory."""
    if host.startswith("/"):
        return await trio.open_unix_socket(f"{host}/.s.PGSQL.{port}")
    return await trio.open_tcp_stream(host, port)


def redis_detour(url: str, target: RedisTarget, port: int) -> str:
    """A Redis URL through the relay on `port`.

    Raises ConfigError for a TLS URL whose host name is checked: the relay has another name; and for sentinels, which
    would lead past it.
    """
    if target.sentinels is not None:
        raise ConfigError(
            "REDIS_URL: --fault freeze-redis puts a relay before one server, and the sentinels lead past it: name the"
            " server itself for this drill, as in redis://127.0.0.1:6379"
        )
    if target.tls is not None and target.tls.check_hostname:
        raise ConfigError(
            "REDIS_URL: --fault freeze-redis puts a relay on 127.0.0.1 before the server, and the certificate is for"
            " another name: add ssl_check_hostname=false to the URL for this drill"
        )
    parts = urlsplit(url)
    scheme, path, query = parts.scheme, parts.path, parts.query
    if target.path is not None:
        scheme, path = "redis", f"/{target.db}"
        query = urlencode([(name, value) for name, value in parse_qsl(query) if name != "db"])
    return parts._replace(
        scheme=scheme, netloc=user_in(parts.netloc) + f"{RELAY_HOST}:{port}", path=path, query=query
    ).geturl()


def user_in(netloc: str) -> str:
    """User and password with their `@`, as they were written."""
    user, at, _ = netloc.rpartition("@")
    return user + at
