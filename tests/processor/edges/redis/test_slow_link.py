"""A link to Redis on which a large command takes long, in a tenth of the time: 500 kB/s, and 0.5 s of silence."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from dev.servers import launch_relay
from dev.servers.redis_users import PROCESSOR, redis_url
from processor.edges.redis import acks as acks_module
from telemetry.chassis.redis.limits import RedisLimits
from tests.support.real_lives import RealStreamService, pending, publish
from tests.support.stream_contract import LONG_BLOCK_MS
from tests.support.tls_relay import relay_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis import Redis

    from dev.servers import RedisServer, Relay
    from processor.edges.redis.stream import RedisPositionStream
    from telemetry._codec import Batch

ENTRIES, LEASED = 20_000, 500
BYTES_PER_S = 500_000
SILENCE_MS = 500
BOUND_S = 30.0
SLOW = RedisLimits(silence_ms=SILENCE_MS, ack_turn_ms_max=25)
# This machine may stand still for a while.
FAST = RedisLimits(ack_turn_ms_max=60_000)


@asynccontextmanager
async def connected(
    port: int, name: str, limits: RedisLimits
) -> AsyncIterator[RedisPositionStream]:
    """A stream with its group, to what listens on `port`."""
    stream = RealStreamService(redis_url(PROCESSOR, port), name, limits=limits).real
    try:
        await stream.connect()
        await stream.ensure_group()
        yield stream
    finally:
        await stream.aclose()


def slow_down(relay: Relay, bytes_per_s: int) -> None:
    """Both ways."""
    relay.up.bytes_per_s = relay.down.bytes_per_s = bytes_per_s


async def acknowledge(stream: RedisPositionStream, batch: Batch) -> list[int]:
    """Acknowledge a whole batch; what each turn named."""
    turns = []
    while batch.records:
        turns.append(await stream.ack(batch))
        batch = batch.piece(turns[-1], batch.records)
    return turns


async def test_a_large_batch_is_acknowledged_over_a_slow_link_and_leases_are_renewed_meanwhile(
    redis_server: RedisServer,
    redis_client: Redis,
    stream_name: str,
) -> None:
    publish(redis_client, stream_name, ENTRIES)
    renewals_s: list[float] = []
    with launch_relay(redis_server.port) as relay:
        async with connected(relay.port, stream_name, SLOW) as stream:
            batch = (await stream.read_new(ENTRIES, LONG_BLOCK_MS)).batch
            leased = batch.piece(0, LEASED)
            slow_down(relay, BYTES_PER_S)

            async def renew_for_ever() -> None:
                while True:
                    began_s = trio.current_time()
                    assert await stream.renew(leased.entry_ids) == leased.entry_ids
                    renewals_s.append(trio.current_time() - began_s)

            with trio.fail_after(BOUND_S):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(renew_for_ever)
                    turns = await acknowledge(stream, batch.piece(LEASED, ENTRIES))
                    nursery.cancel_scope.cancel()
            assert pending(redis_client, stream_name) == LEASED
            assert sum(turns) == ENTRIES - LEASED
            assert len(renewals_s) >= 10
            assert max(renewals_s) < SILENCE_MS / 1000


async def test_over_a_fast_link_a_large_batch_is_soon_acknowledged_in_one_turn(
    redis_server: RedisServer,
    redis_client: Redis,
    stream_name: str,
) -> None:
    async with connected(redis_server.port, stream_name, FAST) as stream:
        turns = []
        for _ in range(3):
            publish(redis_client, stream_name, ENTRIES)
            batch = (await stream.read_new(ENTRIES, LONG_BLOCK_MS)).batch
            turns.append(await acknowledge(stream, batch))
        assert turns == [
            [1_000, 2_000, 4_000, 8_000, 5_000],
            [16_000, 4_000],
            [20_000],
        ]
        assert pending(redis_client, stream_name) == 0


async def test_of_a_turn_that_is_cut_off_what_was_answered_is_known_and_the_rest_is_repeated(
    redis_server: RedisServer,
    redis_client: Redis,
    stream_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acks_module, "IDS_PER_COMMAND", 10)
    publish(redis_client, stream_name, 100)
    async with (
        relay_to(redis_server.port) as relay,
        connected(relay.port, stream_name, RedisLimits()) as stream,
    ):
        batch = (await stream.read_new(100, LONG_BLOCK_MS)).batch
        assert await stream.ack(batch) == 10
        assert await stream.ack(batch) == 20
        # Two and a half of the four answers `:10` that come next.
        relay.cut_after_bytes = 12
        rest = batch.piece(20, 100)
        assert await stream.ack(rest) == 20
        relay.cut_after_bytes = None
        await stream.connect()
        turns = await acknowledge(stream, rest.piece(20, 80))
        assert sum(turns) == 60
        assert pending(redis_client, stream_name) == 0


async def test_a_large_redelivery_over_a_slow_link_takes_its_time_and_no_connection(
    redis_server: RedisServer,
    redis_client: Redis,
    stream_name: str,
) -> None:
    publish(redis_client, stream_name, 1_000)
    with launch_relay(redis_server.port) as relay:
        async with connected(relay.port, stream_name, SLOW) as stream:
            batch = (await stream.read_new(1_000, LONG_BLOCK_MS)).batch
            entry_ids = sorted(batch.entry_ids, key=lambda each: [*map(int, each.split("-"))])
            slow_down(relay, BYTES_PER_S // 4)
            began_s = trio.current_time()
            with trio.fail_after(BOUND_S):
                again = await stream.redeliver(entry_ids)
            assert again.delivery.entries == 1_000
            assert trio.current_time() - began_s > SILENCE_MS / 1000
