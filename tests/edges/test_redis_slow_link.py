"""A link to Redis on which a large command takes long, in a tenth of the time: 500 kB/s, and 0.5 s of silence."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from dev.servers.ports import HOST
from processor._codec import ReplyParser
from processor.config.targets import redis_target
from processor.edges.redis import acks as acks_module
from processor.edges.redis import connection as connection_module
from processor.edges.redis.stream import RedisPositionStream
from tests.edges.batches import position
from tests.edges.relay import Relay, relay_to
from tests.edges.stream_worlds import GROUP, LONG_BLOCK_MS, names_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis import Redis

    from dev.servers import RedisServer
    from processor._codec import Batch

ENTRIES, LEASED = 20_000, 500
BYTES_PER_S = 500_000
SILENCE_MS = 500
BOUND_S = 30.0


def publish(client: Redis, stream: str, count: int) -> None:
    payload = json.dumps(position(1, 0, attributes={}))
    with client.pipeline(transaction=False) as pipeline:
        for _ in range(count):
            pipeline.xadd(stream, {"codec": "8", "payload": payload})
        pipeline.execute()


def pending(client: Redis, stream: str) -> int:
    summary: Any = client.xpending(stream, GROUP)
    return int(summary["pending"])


@asynccontextmanager
async def over_a_relay(
    server: RedisServer, name: str
) -> AsyncIterator[tuple[Relay, RedisPositionStream]]:
    async with relay_to(server.port) as relay:
        target = redis_target(f"redis://{HOST}:{relay.port}")
        stream = RedisPositionStream(
            target, names_of(name, "own"), instance_id=name, new_parser=ReplyParser
        )
        try:
            await stream.connect()
            await stream.ensure_group()
            yield relay, stream
        finally:
            await stream.aclose()


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
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection_module, "SILENCE_MS", SILENCE_MS)
    monkeypatch.setattr(acks_module, "TURN_S_MAX", 0.025)
    publish(redis_client, stream_name, ENTRIES)
    renewals_s: list[float] = []
    async with over_a_relay(redis_server, stream_name) as (relay, stream):
        batch = (await stream.read_new(ENTRIES, LONG_BLOCK_MS)).batch
        leased = batch.piece(0, LEASED)
        relay.bytes_per_s, relay.piece_bytes = BYTES_PER_S, 5_000

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
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # This machine may stand still for a while.
    monkeypatch.setattr(acks_module, "TURN_S_MAX", 60.0)
    async with over_a_relay(redis_server, stream_name) as (_, stream):
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
    monkeypatch.setattr(acks_module, "IDS_MAX", 10)
    publish(redis_client, stream_name, 100)
    async with over_a_relay(redis_server, stream_name) as (relay, stream):
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
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection_module, "SILENCE_MS", SILENCE_MS)
    publish(redis_client, stream_name, 1_000)
    async with over_a_relay(redis_server, stream_name) as (relay, stream):
        batch = (await stream.read_new(1_000, LONG_BLOCK_MS)).batch
        entry_ids = sorted(batch.entry_ids, key=lambda each: [*map(int, each.split("-"))])
        relay.bytes_per_s, relay.piece_bytes = BYTES_PER_S / 4, 5_000
        began_s = trio.current_time()
        with trio.fail_after(BOUND_S):
            again = await stream.redeliver(entry_ids)
        assert again.delivery.entries == 1_000
        assert trio.current_time() - began_s > SILENCE_MS / 1000
