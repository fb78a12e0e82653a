"""A connection in both directions at once: what is received behind an error, and how it is given up."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from dev.servers.redis_users import INGESTION
from telemetry._codec import INCOMPLETE, ReplyParser
from telemetry.chassis.errors import RedisUnavailable
from telemetry.chassis.redis.resp import encode
from tests.support.redis_connections import introduced, opened
from tests.support.tls_relay import relay_to, tls_url

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    from dev.servers import RedisServer
    from telemetry._codec import HasFileno
    from telemetry.chassis.redis.duplex import DuplexConnection

PINGS = 50_000


@asynccontextmanager
async def duplex(url: str) -> AsyncIterator[DuplexConnection]:
    async with opened(url) as connection:
        yield connection.detached()


async def until_received(connection: DuplexConnection, replies: ReplyParser, count: int) -> None:
    for _ in range(count):
        while replies.next_reply() is INCOMPLETE:
            await connection.receive(replies)


@pytest.mark.parametrize("way", ["tcp", "unix", "tls"])
async def test_more_is_sent_than_both_ends_can_hold_while_replies_come_in(
    redis_server: RedisServer, server_tls: ssl.SSLContext, authority_file: Path, way: str
) -> None:
    async with relay_to(redis_server.port, tls=server_tls) as relay:
        urls = {
            "tcp": redis_server.processor_url,
            "unix": redis_server.unix_url,
            "tls": tls_url(relay, authority_file, INGESTION),
        }
        async with duplex(urls[way]) as connection, trio.open_nursery() as nursery:
            nursery.start_soon(connection.send, encode("PING", "x" * 100) * PINGS)
            await until_received(connection, ReplyParser(), PINGS)


async def test_without_waiting_as_much_is_sent_as_the_socket_takes(
    redis_server: RedisServer,
) -> None:
    async with duplex(redis_server.processor_url) as connection:
        wire = encode("PING", "x" * 100) * 200_000
        sent = connection.send_nowait(wire)
        assert 0 < sent < len(wire)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.send, wire[sent:])
            await until_received(connection, ReplyParser(), 200_000)
        connection.close()
        assert connection.send_nowait(wire) == 0


async def test_through_tls_nothing_is_sent_without_waiting(
    redis_server: RedisServer, server_tls: ssl.SSLContext, authority_file: Path
) -> None:
    async with (
        relay_to(redis_server.port, tls=server_tls) as relay,
        duplex(tls_url(relay, authority_file, INGESTION)) as connection,
    ):
        assert connection.send_nowait(encode("PING")) == 0


async def test_a_failed_send_leaves_what_came_in_before_to_be_received() -> None:
    async with introduced(b"+PONG\r\n") as opened_connection:
        connection, replies = opened_connection.detached(), ReplyParser()
        await connection.send(encode("PING"))
        await trio.lowlevel.wait_readable(connection._socket)
        connection._socket.shutdown(trio.socket.SHUT_WR)
        assert connection.send_nowait(encode("PING")) == 0
        with pytest.raises(RedisUnavailable, match="the connection was lost"):
            await connection.send(encode("PING"))
        await connection.receive(replies)
        assert replies.next_reply() == b"PONG"


async def test_whoever_waits_for_a_reply_gets_the_reason_for_which_another_task_gave_up(
    redis_server: RedisServer,
) -> None:
    async with duplex(redis_server.processor_url) as connection:

        async def wait() -> None:
            with pytest.raises(RedisUnavailable, match="no answer"):
                await connection.receive(ReplyParser())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            connection.give_up("no answer")
        assert connection.closed
        await wait()


async def test_what_is_no_reply_ends_it() -> None:
    async with introduced(b"HTTP/1.1 400\r\n") as opened_connection:
        connection, replies = opened_connection.detached(), Strict()
        await connection.send(encode("PING"))
        with pytest.raises(RedisUnavailable, match="not the Redis protocol"):
            await connection.receive(replies)


async def test_the_end_of_the_stream_is_a_lost_connection(redis_server: RedisServer) -> None:
    async with duplex(redis_server.admin_url) as connection:
        replies = ReplyParser()
        await connection.send(encode("QUIT"))
        await until_received(connection, replies, 1)
        with pytest.raises(RedisUnavailable, match="the server closed the connection"):
            await connection.receive(replies)


async def test_fewer_bytes_than_are_awaited_wake_nobody_and_the_last_ones_are_seen(
    redis_server: RedisServer,
) -> None:
    async with duplex(redis_server.processor_url) as connection:
        replies = ReplyParser()
        pong = b"+PONG\r\n"
        connection.await_bytes(1_000 * len(pong))
        await connection.send(encode("PING") * 999)
        with trio.move_on_after(0.05) as waiting:
            await connection.receive(replies)
        assert waiting.cancelled_caught
        await connection.send(encode("PING"))
        await connection.receive(replies)
        assert [replies.next_reply() for _ in range(1_000)] == [b"PONG"] * 1_000
        # Said in vain: nothing is lost when less comes than was said, once that is said.
        await connection.send(encode("PING") * 10)
        with trio.move_on_after(0.05) as waiting:
            await connection.receive(replies)
        assert waiting.cancelled_caught
        connection.await_bytes(10 * len(pong))
        await connection.receive(replies)
        assert replies.next_reply() == b"PONG"


@pytest.mark.parametrize("way", ["unix", "tls"])
async def test_where_the_socket_cannot_wait_for_more_it_does_not(
    redis_server: RedisServer, server_tls: ssl.SSLContext, authority_file: Path, way: str
) -> None:
    async with relay_to(redis_server.port, tls=server_tls) as relay:
        url = redis_server.unix_url if way == "unix" else tls_url(relay, authority_file, INGESTION)
        async with duplex(url) as connection:
            connection.await_bytes(30_000)
            await connection.send(encode("PING"))
            await until_received(connection, ReplyParser(), 1)


async def test_it_knows_when_it_last_heard_of_the_server(redis_server: RedisServer) -> None:
    async with duplex(redis_server.processor_url) as connection:
        before_s = connection.heard_s
        await connection.send(encode("PING"))
        assert connection.heard_s == before_s
        await until_received(connection, ReplyParser(), 1)
        assert connection.heard_s > before_s


class Strict:
    """Replies that are looked at as they come in."""

    def __init__(self) -> None:
        self._parser = ReplyParser()

    def receive(self, socket: HasFileno, bytes_max: int, /) -> int | None:
        received = self._parser.receive(socket, bytes_max)
        self._parser.next_reply()
        return received

    def feed(self, data: bytes, /) -> None:
        self._parser.feed(data)
