"""The relay that freezes: what it holds back, what it then passes on, and how it ends connections."""

from __future__ import annotations

import select
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio
from trio.testing import wait_all_tasks_blocked

from drills.relay import Relay, connect_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


# Between two sockets of one machine nothing takes as long.
IN_TRANSIT_S = 0.02


def readable(stream: trio.SocketStream) -> bool:
    """Whether something has arrived."""
    return bool(select.select([stream.socket.fileno()], [], [], 0)[0])


async def echo(stream: trio.SocketStream) -> None:
    """Send everything back, and `bye` after the end."""
    async for data in stream:
        await stream.send_all(data)
    await stream.send_all(b"bye")
    await stream.send_eof()


@asynccontextmanager
async def relayed() -> AsyncIterator[tuple[Relay, trio.SocketStream]]:
    """A relay before an echoing server, and a client of it."""
    async with trio.open_nursery() as nursery:
        [server] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, echo, [server])
        relay = Relay(lambda: connect_to(*server.socket.getsockname()))
        client = await connect_to("127.0.0.1", await nursery.start(relay.serve))
        with client.socket:
            yield relay, client
        nursery.cancel_scope.cancel()


async def test_what_is_sent_arrives_and_an_end_is_passed_on_in_each_direction() -> None:
    async with relayed() as (_, client):
        await client.send_all(b"hello")
        assert await client.receive_some() == b"hello"
        await client.send_eof()
        assert await client.receive_some() == b"bye"
        assert await client.receive_some() == b""


async def test_a_frozen_relay_passes_nothing_on_until_it_thaws() -> None:
    async with relayed() as (relay, client):
        await client.send_all(b"1")
        assert await client.receive_some() == b"1"
        relay.freeze()
        await client.send_all(b"2")
        await wait_all_tasks_blocked(IN_TRANSIT_S)
        assert not readable(client)
        relay.thaw()
        assert await client.receive_some() == b"2"


async def test_a_frozen_relay_takes_connections_and_serves_them_when_it_thaws() -> None:
    async with relayed() as (relay, first):
        relay.freeze()
        relay.freeze()
        client = await connect_to(*first.socket.getpeername())
        with client.socket:
            await client.send_all(b"hello")
            await wait_all_tasks_blocked(IN_TRANSIT_S)
            assert not readable(client)
            relay.thaw()
            relay.thaw()
            assert await client.receive_some() == b"hello"


async def test_what_a_dead_client_had_sent_still_arrives_after_the_thaw() -> None:
    arrived = bytearray()
    ended = trio.Event()

    async def keep(stream: trio.SocketStream) -> None:
        async for data in stream:
            arrived.extend(data)
        ended.set()

    async with trio.open_nursery() as nursery:
        [server] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, keep, [server])
        relay = Relay(lambda: connect_to(*server.socket.getsockname()))
        client = await connect_to("127.0.0.1", await nursery.start(relay.serve))
        await client.send_all(b"a")
        await wait_all_tasks_blocked(IN_TRANSIT_S)
        relay.freeze()
        await client.send_all(b"b")
        await client.aclose()
        assert arrived == b"a"
        relay.thaw()
        await ended.wait()
        assert arrived == b"ab"
        nursery.cancel_scope.cancel()


async def test_a_server_that_is_away_ends_the_connection() -> None:
    async def refuse() -> trio.SocketStream:
        raise ConnectionRefusedError

    async with trio.open_nursery() as nursery:
        client = await connect_to("127.0.0.1", await nursery.start(Relay(refuse).serve))
        with client.socket:
            assert await client.receive_some() == b""
        nursery.cancel_scope.cancel()


async def test_a_directory_stands_for_postgres_socket_in_it(tmp_path: Path) -> None:
    with trio.socket.socket(trio.socket.AF_UNIX) as listener:
        await listener.bind(str(tmp_path / ".s.PGSQL.5433"))
        listener.listen()
        client = await connect_to(str(tmp_path), 5433)
        with client.socket:
            assert client.socket.family == trio.socket.AF_UNIX
