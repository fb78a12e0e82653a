"""The queue's bounds: what is accepted and unanswered, over all streams together."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from ingestion.errors import PublishOverflowError
from tests.support.ingestion_frames import frame, imei_of
from tests.support.publishing import AtWork, at_work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis import Redis

    from dev.servers import RedisServer


@asynccontextmanager
async def holding(redis_client: Redis) -> AsyncIterator[None]:
    """Redis takes commands and executes none, until the end of the block."""
    redis_client.client_pause(60_000, all=False)
    try:
        yield
    finally:
        redis_client.client_unpause()


async def fill(nursery: trio.Nursery, work: AtWork, devices: range, records: int) -> None:
    for device in devices:
        nursery.start_soon(partial(work.publish, device, 1, records=records))
    await trio.testing.wait_all_tasks_blocked()


async def test_a_frame_beyond_the_records_is_refused_at_once_and_the_others_get_through(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with at_work(redis_server.ingestion_url, stream_name, records_max=20) as work:
        async with trio.open_nursery() as nursery, holding(redis_client):
            await fill(nursery, work, range(3), 6)
            with pytest.raises(PublishOverflowError) as caught:
                await work.publish(9, 1, records=3)
            assert caught.value.imei == imei_of(9)
            assert work.publishers.depth.records == 18
            await fill(nursery, work, range(7, 8), 2)
            assert work.publishers.depth.records == 20
        assert work.publishers.depth.records == 0
        await work.publish(9, 1, records=3)
    assert redis_client.xlen(stream_name) == 23


async def test_who_may_take_half_of_the_queue_leaves_the_other_half_to_others(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    one_more = frame(9, 1, streams=[stream_name], records=1)
    async with (
        at_work(redis_server.ingestion_url, stream_name, records_max=20) as work,
        trio.open_nursery() as nursery,
        holding(redis_client),
    ):
        await fill(nursery, work, range(2), 5)
        with pytest.raises(PublishOverflowError):
            await work.publishers.publish(one_more, part=0.5)
        await fill(nursery, work, range(2, 4), 5)
        assert work.publishers.depth.records == 20
    assert redis_client.xlen(stream_name) == 20


async def test_the_bound_is_of_all_streams_together(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    streams = (f"{stream_name}:a", f"{stream_name}:b")
    async with at_work(redis_server.ingestion_url, *streams, records_max=30) as work:
        async with trio.open_nursery() as nursery, holding(redis_client):
            await fill(nursery, work, range(6), 5)
            for device in range(10, 14):
                with pytest.raises(PublishOverflowError):
                    await work.publish(device, 1, records=1)
        assert min(redis_client.xlen(each) for each in streams) > 0


async def test_a_frame_beyond_the_bytes_is_refused(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    size = len(frame(1, 1, streams=[stream_name], records=10).commands)
    async with (
        at_work(redis_server.ingestion_url, stream_name, bytes_max=3 * size) as work,
        trio.open_nursery() as nursery,
        holding(redis_client),
    ):
        await fill(nursery, work, range(2), 10)
        assert work.publishers.depth.bytes == 2 * size
        with pytest.raises(PublishOverflowError):
            await work.publish(9, 1, records=11)
        await fill(nursery, work, range(8, 9), 10)


@pytest.mark.parametrize("bound", [{"records_max": 1}, {"bytes_max": 1}], ids=str)
async def test_a_frame_beyond_every_bound_is_taken_when_nothing_else_waits(
    redis_server: RedisServer, redis_client: Redis, stream_name: str, bound: dict[str, int]
) -> None:
    async with (
        at_work(redis_server.ingestion_url, stream_name, **bound) as work,
        trio.open_nursery() as nursery,
        holding(redis_client),
    ):
        await fill(nursery, work, range(1), 255)
        with pytest.raises(PublishOverflowError):
            await work.publish(9, 1, records=1)
    assert redis_client.xlen(stream_name) == 255


async def test_a_cancelled_session_leaves_its_frame_counted(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with (
        at_work(redis_server.ingestion_url, stream_name, records_max=5) as work,
        holding(redis_client),
    ):
        async with trio.open_nursery() as nursery:
            await fill(nursery, work, range(1), 5)
            nursery.cancel_scope.cancel()
        with pytest.raises(PublishOverflowError):
            await work.publish(9, 1)
