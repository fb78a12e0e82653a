"""The relay that freezes: what it holds back, what it then passes on, how it ends connections, and who is led to it."""

from __future__ import annotations

import select
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from drills.processor.detour import postgres_detour
from drills.processor.table import postgres_place
from drills.relay import Relay, connect_to, redis_detour
from processor.config import load_config
from telemetry.chassis.config.redis_target import redis_target
from telemetry.chassis.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


URLS = {"REDIS_URL": "redis://h", "POSTGRES_URL": "postgres://u:hush@h/d"}
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


def detoured_redis(url: str) -> str:
    return redis_detour(url, redis_target(url), 7_001)


def detoured_postgres(url: str) -> str:
    return postgres_detour(url, postgres_place(url), 7_001)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://staging", "redis://127.0.0.1:7001"),
        ("redis://me:a%2Fb@staging:6380/3", "redis://me:a%2Fb@127.0.0.1:7001/3"),
        ("unix:///run/redis.sock?db=2", "redis://127.0.0.1:7001/2"),
        ("rediss://s:1/0?ssl_check_hostname=false", "rediss://127.0.0.1:7001/0?ssl_check_hostname=false"),
    ],
)  # fmt: skip
def test_a_redis_url_leads_through_the_relay(url: str, expected: str) -> None:
    assert detoured_redis(url) == expected
    load_config({**URLS, "REDIS_URL": expected})


def test_a_checked_redis_certificate_cannot_be_for_the_relay() -> None:
    with pytest.raises(ConfigError, match="ssl_check_hostname=false"):
        detoured_redis("rediss://staging")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u:p%40@db/t", "postgres://u:p%40@db:7001/t?hostaddr=127.0.0.1"),
        (
            "postgresql://u@db:5433/t?sslmode=verify-full",
            "postgresql://u@db:7001/t?sslmode=verify-full&hostaddr=127.0.0.1",
        ),
        ("postgres://u@/t?host=/run/pg&port=5433", "postgres://u@127.0.0.1:7001/t?hostaddr=127.0.0.1"),
        ("postgres://u@[::1]/t", "postgres://u@[::1]:7001/t?hostaddr=127.0.0.1"),
    ],
)  # fmt: skip
def test_a_postgres_url_leads_through_the_relay_and_keeps_the_name_for_its_certificate(
    url: str, expected: str
) -> None:
    assert detoured_postgres(url) == expected
    load_config({**URLS, "POSTGRES_URL": expected})


@pytest.mark.parametrize("url", ["postgres://u@a,b/t", "postgres:///t"])
def test_a_relay_needs_exactly_one_postgres_host(url: str) -> None:
    with pytest.raises(ConfigError, match="exactly one host"):
        detoured_postgres(url)
