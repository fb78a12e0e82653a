"""A proxy that closes idle connections."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from dev.servers import launch_relay
from dev.servers.redis_users import PROCESSOR, redis_url
from processor.edges.ports import STREAM_START
from processor.watching import keep_alive as keep_alive_module
from processor.watching.keep_alive import keep_connections_alive
from telemetry.chassis.errors import RedisUnavailable
from telemetry.chassis.redis.limits import RedisLimits
from tests.support.real_lives import RealStreamService, living, pending, publish, until
from tests.support.redis_connections import opened
from tests.support.stream_contract import GROUP, lag_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis import Redis

    from dev.servers import RedisServer
    from processor.edges.redis.stream import RedisPositionStream

# A twentieth of the time: closed after 0.5 s without a byte, a ping every 0.15 s.
IDLE_S_MAX = 0.5
PING_EVERY_S = 0.15
LIMITS = RedisLimits(idle_ms_max=150)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_alive_module, "INTERVAL_S", PING_EVERY_S)


def connections_of(client: Redis) -> dict[str, int]:
    """Redis' numbers of the consumer's connections, by name."""
    clients: Any = client.client_list()
    return {each["name"]: each["id"] for each in clients if "processor-1" in each["name"]}


@asynccontextmanager
async def behind_a_proxy(server: RedisServer, name: str) -> AsyncIterator[RedisPositionStream]:
    """A stream that is connected through a proxy which closes what is idle."""
    with launch_relay(server.port) as proxy:
        proxy.idle_close_s = IDLE_S_MAX
        stream = RealStreamService(redis_url(PROCESSOR, proxy.port), name, limits=LIMITS).real
        await stream.connect()
        yield stream
        await stream.aclose()


@pytest.mark.usefixtures("quick")
async def test_connections_that_say_something_now_and_then_are_closed_by_nobody(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with behind_a_proxy(redis_server, stream_name) as stream:
        before = connections_of(redis_client)
        with trio.move_on_after(4 * IDLE_S_MAX):
            await keep_connections_alive(stream)
        assert connections_of(redis_client) == before
        assert len(before) == 3


@pytest.mark.usefixtures("quick")
async def test_an_idle_connection_that_turns_out_closed_is_replaced_before_it_is_used(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with behind_a_proxy(redis_server, stream_name) as stream:
        await stream.ensure_group()
        before = connections_of(redis_client)
        await until(lambda: not connections_of(redis_client), "they are closed")
        await stream.keep_alive()
        assert not before.items() & connections_of(redis_client).items()
        assert await stream.list_pending(STREAM_START, 1) == []
        assert (await stream.read_new(1, 1)).entries == 0
        assert await lag_of(stream) == (0, 0)


async def test_without_anything_said_such_a_proxy_costs_the_next_call_its_connection(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with behind_a_proxy(redis_server, stream_name) as stream:
        await until(lambda: not connections_of(redis_client), "they are closed")
        with pytest.raises(RedisUnavailable):
            await stream.list_pending(STREAM_START, 1)


@pytest.mark.usefixtures("quick")
async def test_a_connection_that_waits_for_an_answer_is_left_alone(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    stream = RealStreamService(redis_server.processor_url, stream_name, limits=LIMITS).real
    await stream.connect()
    await stream.ensure_group()
    async with trio.open_nursery() as nursery:
        delivered: list[int] = []

        async def read() -> None:
            delivered.append((await stream.read_new(10, 4_000)).batch.records)

        nursery.start_soon(read)
        with trio.move_on_after(3 * PING_EVERY_S):
            await keep_connections_alive(stream)
        publish(redis_client, stream_name, 1)
    assert delivered == [1]
    await stream.aclose()


@pytest.mark.usefixtures("quick")
async def test_a_server_that_refuses_the_ping_has_answered_it(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    redis_client.execute_command(  # type: ignore[no-untyped-call]
        "ACL", "SETUSER", "no-ping", "on", ">secret", "~*", "&*", "+@all", "-ping"
    )
    try:
        url = f"redis://no-ping:secret@{redis_server.host}:{redis_server.port}"
        stream = RealStreamService(url, stream_name, limits=LIMITS).real
        await stream.connect()
        before = connections_of(redis_client)
        await trio.sleep(2 * PING_EVERY_S)
        await stream.keep_alive()
        assert connections_of(redis_client) == before
        await stream.aclose()
    finally:
        redis_client.execute_command("ACL", "DELUSER", "no-ping")  # type: ignore[no-untyped-call]


async def test_claims_come_through_a_proxy_that_closes_what_is_idle_for_less_than_their_interval(
    redis_server: RedisServer,
    redis_client: Redis,
    stream_name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With nothing said in between, so that each pass begins on a closed connection."""
    redis_client.xgroup_create(stream_name, GROUP, "0", mkstream=True)
    with launch_relay(redis_server.port) as relay:
        relay.idle_close_s = 0.2
        service = RealStreamService(redis_url(PROCESSOR, relay.port), stream_name)
        async with living(service, CLAIM_INTERVAL_MS="600", CLAIM_THRESHOLD_MS="300"):
            await until(lambda: "claim failed" in caplog.text, "an idle connection was closed")
            publish(redis_client, stream_name, 3)
            # Maybe the service is faster.
            redis_client.xreadgroup(GROUP, "dead", {stream_name: ">"})
            await until(
                lambda: service.rows == 3,
                "the entries of the dead consumer are claimed and written",
            )
            await until(lambda: pending(redis_client, stream_name) == 0, "and acknowledged")
    assert "claim failed and is repeated" in caplog.text


async def test_a_peer_that_vanished_is_noticed_by_the_system(redis_server: RedisServer) -> None:
    options = trio.socket
    async with opened(redis_server.processor_url) as connection:
        socket = connection._socket
        assert socket.getsockopt(options.SOL_SOCKET, options.SO_KEEPALIVE) == 1
        assert [
            socket.getsockopt(options.IPPROTO_TCP, option)
            for option in (
                options.TCP_KEEPIDLE,
                options.TCP_KEEPINTVL,
                options.TCP_KEEPCNT,
                options.TCP_USER_TIMEOUT,
            )
        ] == [15, 5, 3, 30_000]
