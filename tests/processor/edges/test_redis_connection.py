from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from dev.servers.ports import HOST
from processor.edges.ports import FIRST_ID
from processor.edges.redis.stream import RedisPositionStream
from telemetry._codec import ReplyParser
from telemetry.chassis.config.redis_target import redis_target
from telemetry.chassis.errors import RedisRefused, RedisUnavailable
from telemetry.chassis.redis import connection as connection_module
from telemetry.chassis.redis.commands import Argument, encode
from telemetry.chassis.redis.connection import SILENCE_MS, RedisConnection
from telemetry.chassis.redis.opening import open_connection
from tests.support.batches import position
from tests.support.peers import answering, peer
from tests.support.stream_contract import names_of
from tests.support.tls_relay import relay_to, tls_url

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from redis import Redis

    from dev.servers import RedisServer
    from telemetry._codec import Delivery

BOUND_S = 10.0
LONG_BLOCK_MS = 60_000
ROLES = ("claims", "control", "reader")
# What a peer answers while a connection is opened: to HELLO, and to CLIENT ID.
INTRODUCTION = (b"%1\r\n+proto\r\n:3\r\n", b":7\r\n")


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[RedisConnection]:
    connection = await open_connection(redis_target(url), ReplyParser(), name="processor/test")
    try:
        yield connection
    finally:
        connection.close()


def in_memory(stream: trio.abc.Stream) -> RedisConnection:
    """A connection without a server, for the virtual clock; the socket is there to be closed."""
    return RedisConnection(stream, trio.socket.socket(), ReplyParser(), where="memory")


@asynccontextmanager
async def introduced(*answers: bytes) -> AsyncIterator[RedisConnection]:
    """A connection to a peer that introduces itself like Redis, and then gives these answers."""
    async with (
        peer(answering(*INTRODUCTION, *answers)) as port,
        opened(f"redis://{HOST}:{port}/0") as connection,
    ):
        yield connection


async def asked(connection: RedisConnection, *command: Argument) -> object:
    return await connection.request(encode(*command))


@asynccontextmanager
async def connected(url: str, name: str, *, consumer: str = "own") -> AsyncIterator[Any]:
    stream = RedisPositionStream(
        redis_target(url),
        names_of(name, consumer),
        instance_id=name,
        new_parser=ReplyParser,
    )
    try:
        await stream.connect()
        await stream.ensure_group()
        yield stream
    finally:
        await stream.aclose()


@pytest.fixture
def thawed(redis_server: RedisServer) -> Iterator[RedisServer]:
    """The run's server, which a test may freeze."""
    yield redis_server
    redis_server.process.thaw()


def add(client: Redis, stream_name: str, count: int, **changes: Any) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for number in range(count):
            payload = json.dumps(position(number % 10, number, **changes))
            pipeline.xadd(stream_name, {"codec": "8E", "payload": payload})
        pipeline.execute()


def sockets_of(client: Redis, stream_name: str) -> list[str]:
    """The names of the stream's connections that Redis has."""
    clients: Any = client.client_list()
    return sorted(entry["name"] for entry in clients if stream_name in entry["name"])


async def test_requests_of_several_tasks_each_get_their_own_reply(
    redis_server: RedisServer,
) -> None:
    replies: dict[int, object] = {}
    async with opened(redis_server.url) as connection, trio.open_nursery() as nursery:

        async def ask(number: int) -> None:
            replies[number] = await asked(connection, "ECHO", number)

        for number in range(200):
            nursery.start_soon(ask, number)
    assert replies == {number: b"%d" % number for number in range(200)}


async def test_a_refusal_leaves_the_connection_in_use(redis_server: RedisServer) -> None:
    async with opened(redis_server.url) as connection:
        with pytest.raises(RedisRefused, match="no such key") as caught:
            await asked(connection, "XINFO", "GROUPS", "no-stream-of-this-name")
        assert caught.value.code == "ERR"
        assert await asked(connection, "PING") == b"PONG"


async def test_a_cancelled_request_closes_the_connection(redis_server: RedisServer) -> None:
    async with opened(redis_server.url) as connection:
        with trio.move_on_after(0.02) as scope:
            await asked(connection, "BLPOP", "no-list-of-this-name", 0)
        assert scope.cancelled_caught
        assert connection.closed
        with pytest.raises(RedisUnavailable, match="the connection is closed"):
            await asked(connection, "PING")


async def test_whoever_waits_behind_a_cancelled_request_is_told_and_not_given_its_reply(
    redis_server: RedisServer,
) -> None:
    async with opened(redis_server.url) as connection:
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
    async with opened(redis_server.url) as connection:
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


async def test_after_a_cancelled_request_the_stream_connects_what_is_missing_and_no_more(
    thawed: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with connected(thawed.url, stream_name) as stream:
        before = sockets_of(redis_client, stream_name)
        thawed.process.freeze()
        with trio.move_on_after(0.02) as scope:
            await stream.lag()
        assert scope.cancelled_caught
        thawed.process.thaw()
        with pytest.raises(RedisUnavailable):
            await stream.lag()
        await stream.connect()
        assert await stream.lag() == (0, 0)
        assert before == [f"processor/{stream_name}:{role}" for role in ROLES]
        assert sockets_of(redis_client, stream_name) == before


async def test_a_frozen_server_is_given_up_in_time(
    monkeypatch: pytest.MonkeyPatch, thawed: RedisServer, stream_name: str
) -> None:
    monkeypatch.setattr(connection_module, "SILENCE_MS", 100)
    async with connected(thawed.url, stream_name) as stream:
        thawed.process.freeze()
        with trio.fail_after(BOUND_S):
            with pytest.raises(RedisUnavailable, match="no answer in time"):
                await stream.lag()
            with pytest.raises(RedisUnavailable, match="no answer in time"):
                await stream.read_new(10, 50)
        thawed.process.thaw()
        await stream.connect()
        assert await stream.lag() == (0, 0)
        thawed.process.freeze()
        with trio.fail_after(BOUND_S), pytest.raises(RedisUnavailable, match="no answer in time"):
            await stream.list_pending(FIRST_ID, 10)


async def test_a_read_that_is_cancelled_while_the_server_is_frozen_ends_in_time(
    thawed: RedisServer, stream_name: str
) -> None:
    async with connected(thawed.url, stream_name) as stream:
        thawed.process.freeze()
        with trio.fail_after(BOUND_S), trio.CancelScope() as scope:
            scope.deadline = trio.current_time() + 0.02
            with pytest.raises(RedisUnavailable):
                await stream.read_new(10, LONG_BLOCK_MS)


async def test_a_read_that_stalls_in_the_middle_of_a_delivery_ends_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection_module, "SILENCE_MS", 100)

    async def unblock() -> None:
        raise AssertionError("the read was not cancelled")

    async with introduced(b"*1\r\n*2\r\n$6\r\nstr") as connection:
        with trio.fail_after(BOUND_S), pytest.raises(RedisUnavailable, match="no answer in time"):
            await connection.blocking_delivery(b"READ", block_ms=LONG_BLOCK_MS, unblock=unblock)
        assert connection.closed


async def test_a_read_that_stalls_in_the_middle_can_be_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection_module, "SILENCE_MS", 100)

    async def unblock() -> None:
        await trio.lowlevel.checkpoint()

    async with introduced(b"*1\r\n*2\r\n$6\r\nstr") as connection:
        with trio.fail_after(BOUND_S), trio.CancelScope() as scope:
            scope.deadline = trio.current_time() + 0.02
            with pytest.raises(RedisUnavailable, match="no answer in time"):
                await connection.blocking_delivery(b"READ", block_ms=LONG_BLOCK_MS, unblock=unblock)
        assert connection.closed


async def test_a_read_that_is_overtaken_by_its_waking_is_woken_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    wakings: list[float] = []

    async def unblock() -> None:
        wakings.append(autojump_clock.current_time())
        # The first one came before the read was blocked.
        if len(wakings) == 2:
            await theirs.send_all(b"*-1\r\n")

    connection = in_memory(ours)
    with trio.move_on_after(1), trio.fail_after(BOUND_S):
        delivery = await connection.blocking_delivery(
            b"READ", block_ms=LONG_BLOCK_MS, unblock=unblock
        )
    connection.close()
    assert delivery.entries == 0
    assert wakings == [pytest.approx(wakings[0]), pytest.approx(wakings[0] + 0.05)]


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


@pytest.mark.parametrize("cut_after_bytes", [0, 1, 40, 5_000])
@pytest.mark.parametrize("way", ["plain", "tls"])
async def test_a_connection_that_ends_in_the_middle_of_a_delivery_is_lost_and_nothing_else(
    redis_server: RedisServer,
    redis_client: Redis,
    stream_name: str,
    server_tls: ssl.SSLContext,
    authority_file: Path,
    way: str,
    cut_after_bytes: int,
) -> None:
    add(redis_client, stream_name, 100)
    async with relay_to(redis_server.port, tls=server_tls if way == "tls" else None) as relay:
        url = tls_url(relay, authority_file) if way == "tls" else f"redis://{HOST}:{relay.port}"
        async with connected(url, stream_name) as stream:
            relay.cut_after_bytes = cut_after_bytes
            with trio.fail_after(BOUND_S), pytest.raises(RedisUnavailable):
                await stream.read_new(100, LONG_BLOCK_MS)
            relay.cut_after_bytes = None
            await stream.connect()
            assert len(await stream.list_pending(FIRST_ID, 1_000)) == 100


@pytest.mark.parametrize("way", ["plain", "tls"])
async def test_a_large_delivery_in_many_small_pieces_comes_whole(
    redis_server: RedisServer,
    redis_client: Redis,
    stream_name: str,
    server_tls: ssl.SSLContext,
    authority_file: Path,
    way: str,
) -> None:
    add(redis_client, stream_name, 2_000)
    async with relay_to(redis_server.port, tls=server_tls if way == "tls" else None) as relay:
        url = tls_url(relay, authority_file) if way == "tls" else f"redis://{HOST}:{relay.port}"
        async with connected(url, stream_name) as stream:
            relay.piece_bytes = 1_021
            delivery = await stream.read_new(2_000, LONG_BLOCK_MS)
            assert (delivery.batch.records, delivery.rejections) == (2_000, [])
            assert await stream.ack(delivery.batch) == 1_000
            assert await stream.ack(delivery.batch) == 2_000


async def test_a_delivery_may_take_longer_than_any_silence_may(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "SILENCE_MS", 1_000)
    ours, theirs = trio.testing.memory_stream_pair()
    pieces = [b"*1\r\n", b"*2\r\n", b"$3\r\n", b"1-0\r\n", b"*-1\r\n"]

    async def answer() -> None:
        for piece in pieces:
            await trio.sleep(0.9)
            await theirs.send_all(piece)

    delivered: list[Delivery] = []
    connection = in_memory(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        delivered.append(await connection.delivery(b"CLAIM"))
    connection.close()
    assert delivered[0].missing_ids == ["1-0"]
    assert autojump_clock.current_time() > 4


async def test_a_command_may_be_sent_for_longer_than_any_silence_may(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "SILENCE_MS", 1_000)
    monkeypatch.setattr(connection_module, "SEND_BYTES", 10)
    ours, theirs = trio.testing.lockstep_stream_pair()
    wire, received = bytes(range(100)), bytearray()

    async def take_slowly() -> None:
        while len(received) < len(wire):
            await trio.sleep(0.9)
            received.extend(await theirs.receive_some(10))
        await theirs.send_all(b"+OK\r\n")

    connection = in_memory(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_slowly)
        assert await connection.request(wire) == b"OK"
    connection.close()
    assert bytes(received) == wire
    assert autojump_clock.current_time() > 8


async def test_a_peer_that_stops_taking_a_command_is_given_up_in_time(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "SEND_BYTES", 10)
    ours, theirs = trio.testing.lockstep_stream_pair()
    connection = in_memory(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(theirs.receive_some, 10)
        with pytest.raises(RedisUnavailable, match="no answer in time"):
            await connection.request(bytes(100))
    assert connection.closed
    assert autojump_clock.current_time() == pytest.approx(SILENCE_MS / 1000)


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
    async with opened(redis_server.url) as connection:
        send = connection._send

        async def send_and_close(wire: bytes) -> None:
            await send(wire)
            connection.close()

        monkeypatch.setattr(connection, "_send", send_and_close)
        with pytest.raises(RedisUnavailable, match="the connection was lost"):
            await asked(connection, "PING")


@pytest.mark.parametrize("right", ["client|unblock", "time"])
async def test_a_user_who_may_not_do_what_is_rarely_needed_is_refused_when_connecting(
    redis_server: RedisServer, redis_client: Redis, stream_name: str, right: str
) -> None:
    user = stream_name.replace(":", "-")
    rules = ("on", ">secret", "~*", "+@all", f"-{right}")
    redis_client.execute_command("ACL", "SETUSER", user, *rules)  # type: ignore[no-untyped-call]
    url = f"redis://{user}:secret@{redis_server.host}:{redis_server.port}/0"
    stream = RedisPositionStream(
        redis_target(url),
        names_of(stream_name, "own"),
        instance_id=stream_name,
        new_parser=ReplyParser,
    )
    try:
        for _ in range(2):
            with pytest.raises(RedisRefused, match=right.rpartition("|")[2]) as caught:
                await stream.connect()
            assert caught.value.code == "NOPERM"
    finally:
        await stream.aclose()
        redis_client.execute_command("ACL", "DELUSER", user)  # type: ignore[no-untyped-call]


async def test_a_killed_connection_is_noticed_and_made_again_alone(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with connected(redis_server.url, stream_name) as stream:
        clients: Any = redis_client.client_list()
        [control] = [c["id"] for c in clients if c["name"].endswith(f"{stream_name}:control")]
        redis_client.client_kill_filter(_id=control)
        with pytest.raises(RedisUnavailable):
            await stream.lag()
        await stream.connect()
        assert await stream.lag() == (0, 0)
        assert (await stream.read_new(1, 1)).entries == 0
