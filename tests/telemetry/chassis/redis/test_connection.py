"""A connection: replies in step with commands, and closed as soon as they are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from dev.servers.ports import HOST
from telemetry.chassis.errors import RedisRefused, RedisUnavailable
from telemetry.chassis.redis.resp import encode
from tests.support.peers import peer
from tests.support.redis_connections import INTRODUCTION, asked, introduced, opened

if TYPE_CHECKING:
    from redis import Redis

    from dev.servers import RedisServer


async def test_requests_of_several_tasks_each_get_their_own_reply(
    redis_server: RedisServer,
) -> None:
    replies: dict[int, object] = {}
    async with opened(redis_server.admin_url) as connection, trio.open_nursery() as nursery:

        async def ask(number: int) -> None:
            replies[number] = await asked(connection, "ECHO", number)

        for number in range(200):
            nursery.start_soon(ask, number)
    assert replies == {number: b"%d" % number for number in range(200)}


async def test_a_refusal_leaves_the_connection_in_use(redis_server: RedisServer) -> None:
    async with opened(redis_server.admin_url) as connection:
        with pytest.raises(RedisRefused, match="no such key") as caught:
            await asked(connection, "XINFO", "GROUPS", "no-stream-of-this-name")
        assert caught.value.code == "ERR"
        assert await asked(connection, "PING") == b"PONG"


async def test_a_cancelled_request_closes_the_connection(redis_server: RedisServer) -> None:
    async with opened(redis_server.admin_url) as connection:
        with trio.move_on_after(0.02) as scope:
            await asked(connection, "BLPOP", "no-list-of-this-name", 0)
        assert scope.cancelled_caught
        assert connection.closed
        with pytest.raises(RedisUnavailable, match="the connection is closed"):
            await asked(connection, "PING")


async def test_a_task_that_waits_behind_a_cancelled_request_gets_an_error_and_not_its_reply(
    redis_server: RedisServer,
) -> None:
    async with opened(redis_server.admin_url) as connection:
        async with trio.open_nursery() as nursery:
            waiting = trio.CancelScope()

            async def wait() -> None:
                with waiting:
                    await asked(connection, "BLPOP", "no-list-of-this-name", 0)

            async def ask() -> None:
                with pytest.raises(RedisUnavailable):
                    await asked(connection, "PING")

            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            waiting.cancel()
        assert connection.closed


async def test_a_task_that_is_cancelled_in_the_queue_leaves_the_connection_in_use(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    replies: list[object] = []
    async with opened(redis_server.admin_url) as connection:
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                replies.append(await asked(connection, "BLPOP", f"{stream_name}:list", 0))

            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(0):
                await asked(connection, "PING")
            redis_client.rpush(f"{stream_name}:list", "value")
        assert replies == [[f"{stream_name}:list".encode(), b"value"]]
        assert await asked(connection, "PING") == b"PONG"


@pytest.mark.parametrize("reply", [b"+OK\r\n", b"_\r\n", b"$1\r\n1\r\n", b"*0\r\n"])
async def test_an_answer_of_another_kind_is_a_peer_that_is_no_redis(reply: bytes) -> None:
    async with introduced(reply) as connection:
        with pytest.raises(RedisUnavailable, match="an integer was expected"):
            await connection.request_integer(encode("XACK"))
        assert connection.closed


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400\r\n", b"*1\r\n:5\r\n", b"*-5\r\n", b"\0\r\n"])
async def test_garbage_instead_of_a_delivery_closes_the_connection(reply: bytes) -> None:
    async with introduced(reply) as connection:
        with pytest.raises(RedisUnavailable, match="not the Redis protocol"):
            await connection.delivery(encode("XCLAIM"))
        assert connection.closed


async def test_what_a_pipeline_was_answered_is_known_though_the_connection_is_lost() -> None:
    async def talk(stream: trio.SocketStream) -> None:
        for answer in INTRODUCTION:
            await stream.receive_some(65_536)
            await stream.send_all(answer)
        await stream.receive_some(65_536)
        await stream.send_all(b":1\r\n-ERR no\r\n:3")

    async with peer(talk) as port, opened(f"redis://{HOST}:{port}/0") as connection:
        one, refusal = await connection.pipeline([b"A", b"B", b"C"])
        assert (one, repr(refusal)) == (1, "<ReplyError ERR no>")
        with pytest.raises(RedisUnavailable):
            await connection.pipeline([b"A"])


async def test_a_connection_that_another_task_closes_between_command_and_answer_is_lost(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(redis_server.admin_url) as connection:
        send = connection._send

        async def send_and_close(wire: bytes) -> None:
            await send(wire)
            connection.close()

        monkeypatch.setattr(connection, "_send", send_and_close)
        with pytest.raises(RedisUnavailable, match="the connection was lost"):
            await asked(connection, "PING")
