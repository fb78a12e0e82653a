"""The three connections of a stream: cut off, frozen, killed or refused, and made again."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from dev.servers.redis_users import PROCESSOR, redis_url
from processor.edges.ports import STREAM_START
from processor.edges.redis.stream import RedisPositionStream
from telemetry._codec import ReplyParser
from telemetry.chassis.config.redis_target import redis_target
from telemetry.chassis.errors import RedisRefused, RedisUnavailable
from telemetry.chassis.redis.limits import RedisLimits
from tests.support.batches import position
from tests.support.stream_contract import lag_of, names_of
from tests.support.tls_relay import relay_to, tls_url

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from redis import Redis

    from dev.servers import RedisServer

BOUND_S = 10.0


LONG_BLOCK_MS = 60_000


ROLES = ("claims", "control", "reader")


@asynccontextmanager
async def connected(
    url: str, name: str, *, limits: RedisLimits | None = None
) -> AsyncIterator[Any]:
    stream = RedisPositionStream(
        redis_target(url),
        names_of(name, "own"),
        instance_id=name,
        limits=limits or RedisLimits(),
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


async def test_after_a_cancelled_request_the_stream_connects_what_is_missing_and_no_more(
    thawed: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with connected(thawed.processor_url, stream_name) as stream:
        before = sockets_of(redis_client, stream_name)
        thawed.process.freeze()
        with trio.move_on_after(0.02) as scope:
            await stream.look()
        assert scope.cancelled_caught
        thawed.process.thaw()
        with pytest.raises(RedisUnavailable):
            await stream.look()
        await stream.connect()
        assert await lag_of(stream) == (0, 0)
        assert before == [f"processor/{stream_name}:{role}" for role in ROLES]
        assert sockets_of(redis_client, stream_name) == before


async def test_a_frozen_server_is_given_up_in_time(thawed: RedisServer, stream_name: str) -> None:
    async with connected(
        thawed.processor_url, stream_name, limits=RedisLimits(silence_ms=100)
    ) as stream:
        thawed.process.freeze()
        with trio.fail_after(BOUND_S):
            with pytest.raises(RedisUnavailable, match="no answer in time"):
                await stream.look()
            with pytest.raises(RedisUnavailable, match="no answer in time"):
                await stream.read_new(10, 50)
        thawed.process.thaw()
        await stream.connect()
        assert await lag_of(stream) == (0, 0)
        thawed.process.freeze()
        with trio.fail_after(BOUND_S), pytest.raises(RedisUnavailable, match="no answer in time"):
            await stream.list_pending(STREAM_START, 10)


async def test_a_read_that_is_cancelled_while_the_server_is_frozen_ends_in_time(
    thawed: RedisServer, stream_name: str
) -> None:
    async with connected(thawed.processor_url, stream_name) as stream:
        thawed.process.freeze()
        with trio.fail_after(BOUND_S), trio.CancelScope() as scope:
            scope.deadline = trio.current_time() + 0.02
            with pytest.raises(RedisUnavailable):
                await stream.read_new(10, LONG_BLOCK_MS)


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
        url = tls_url(relay, authority_file) if way == "tls" else redis_url(PROCESSOR, relay.port)
        async with connected(url, stream_name) as stream:
            relay.cut_after_bytes = cut_after_bytes
            with trio.fail_after(BOUND_S), pytest.raises(RedisUnavailable):
                await stream.read_new(100, LONG_BLOCK_MS)
            relay.cut_after_bytes = None
            await stream.connect()
            assert len(await stream.list_pending(STREAM_START, 1_000)) == 100


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
        url = tls_url(relay, authority_file) if way == "tls" else redis_url(PROCESSOR, relay.port)
        async with connected(url, stream_name) as stream:
            relay.piece_bytes = 1_021
            delivery = await stream.read_new(2_000, LONG_BLOCK_MS)
            assert (delivery.batch.records, delivery.rejections) == (2_000, [])
            assert await stream.ack(delivery.batch) == 1_000
            assert await stream.ack(delivery.batch) == 2_000


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
        limits=RedisLimits(),
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
    async with connected(redis_server.processor_url, stream_name) as stream:
        clients: Any = redis_client.client_list()
        [control] = [c["id"] for c in clients if c["name"].endswith(f"{stream_name}:control")]
        redis_client.client_kill_filter(_id=control)
        with pytest.raises(RedisUnavailable):
            await stream.look()
        await stream.connect()
        assert await lag_of(stream) == (0, 0)
        assert (await stream.read_new(1, 1)).entries == 0
