"""The end: the publishers run dry, or are cut and leave what they could not publish counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from ingestion.errors import RedisUnavailableError
from tests.support.publishing import QUICK, AtWork, at_work, cut_short, until

if TYPE_CHECKING:
    from redis import Redis

    from dev.servers import RedisServer


async def test_closed_and_dry_the_tasks_end_at_once(
    redis_server: RedisServer, stream_name: str
) -> None:
    async with at_work(redis_server.ingestion_url, stream_name) as work:
        await work.publish(1, 1)
        work.publishers.close()
        with trio.fail_after(0.2):
            await until(lambda: work.has_ended, "the tasks have ended")


async def test_what_waits_when_they_are_closed_is_published_first(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with (
        at_work(redis_server.ingestion_url, stream_name) as work,
        trio.open_nursery() as nursery,
    ):
        redis_client.client_pause(60_000, all=False)
        for device in range(20):
            nursery.start_soon(work.publish, device, 1)
        await trio.testing.wait_all_tasks_blocked()
        work.publishers.close()
        await trio.sleep(0.05)
        assert not work.has_ended
        redis_client.client_unpause()
        await until(lambda: work.has_ended, "the tasks have ended")
    assert redis_client.xlen(stream_name) == 100


@pytest.mark.usefixtures("quick")
async def test_without_a_server_they_end_when_what_waits_is_overdue(
    redis_server: RedisServer, stream_name: str
) -> None:
    async with at_work(redis_server.ingestion_url, stream_name, limits=QUICK) as work:
        redis_server.process.kill()
        await work.until_lost()
        async with trio.open_nursery() as nursery:
            for device in range(3):
                nursery.start_soon(drop, work, device)
            await trio.testing.wait_all_tasks_blocked()
            work.publishers.close()
            assert not work.has_ended
        await until(lambda: work.has_ended, "the tasks have ended")
        assert work.errors == {"connection": 3}


async def drop(work: AtWork, device: int) -> None:
    """Publish in vain."""
    with pytest.raises(RedisUnavailableError, match="not sent in time"):
        await work.publish(device, 1)


async def test_cut_before_they_leave_what_is_unanswered_counted(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with cut_short(redis_server.ingestion_url, stream_name) as work:
        redis_client.client_pause(60_000, all=False)
        async with trio.open_nursery() as nursery:
            for device in range(4):
                nursery.start_soon(work.publish, device, 1)
            await trio.testing.wait_all_tasks_blocked()
            work.publishers.close()
            nursery.cancel_scope.cancel()
    assert work.has_ended
    assert work.publishers.depth.records == 20
    assert work.publishers.depth.bytes > 0
    redis_client.client_unpause()


async def test_a_task_that_has_work_takes_steps_whatever_the_server_does(
    redis_server: RedisServer, stream_name: str
) -> None:
    async with at_work(redis_server.ingestion_url, stream_name, limits=QUICK) as work:
        for harm in (redis_server.process.freeze, redis_server.process.kill):
            harm()
            await work.until_lost()
            for _ in range(20):
                await trio.sleep(0.02)
                assert work.stalled(after_s=0.4) == ()
            redis_server.process.restore()
            await work.until_ready()
