"""Publishing to a server that is well: answers, order, streams, connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from dev.servers.redis_users import INGESTION, login
from tests.support.ingestion_frames import frame
from tests.support.publishing import Fleet, at_work, published
from tests.support.tls_relay import relay_to, tls_url

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from redis import Redis

    from dev.servers import RedisServer


async def test_an_answer_is_made_of_the_confirmation_and_the_entries_are_in_the_stream(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with at_work(redis_server.ingestion_url, stream_name) as work:
        assert (await work.publish(1, 1, records=7))[-1] == 7
        assert len(list(published(redis_client, stream_name))) == 7


async def test_devices_at_the_same_time_each_get_their_own_answer_and_all_is_in_order(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with (
        at_work(redis_server.ingestion_url, stream_name) as work,
        trio.open_nursery() as nursery,
    ):
        fleet = Fleet(work, 200)
        fleet.start(nursery)
        await fleet.until_more(5)
        nursery.cancel_scope.cancel()
    fleet.assert_promise_kept((redis_client, stream_name))
    assert not fleet.dropped


async def test_frames_of_one_device_leave_in_the_order_in_which_they_were_accepted(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with (
        at_work(redis_server.ingestion_url, stream_name) as work,
        trio.open_nursery() as nursery,
    ):
        redis_client.client_pause(60_000, all=False)
        for number in range(50):
            nursery.start_soon(work.publish, 1, number)
            await trio.testing.wait_all_tasks_blocked()
        redis_client.client_unpause()
    times = [unix_ms for _, unix_ms in published(redis_client, stream_name)]
    assert times == sorted(times)
    assert len(times) == 250


@pytest.mark.parametrize("way", ["unix", "tls"])
async def test_other_ways_to_the_server_are_as_good(
    redis_server: RedisServer,
    redis_client: Redis,
    stream_name: str,
    server_tls: ssl.SSLContext,
    authority_file: Path,
    way: str,
) -> None:
    async with relay_to(redis_server.port, tls=server_tls) as relay:
        url = (
            tls_url(relay, authority_file, INGESTION)
            if way == "tls"
            else f"unix://{login(INGESTION)}@{redis_server.unix_socket}"
        )
        async with at_work(url, stream_name) as work, trio.open_nursery() as nursery:
            fleet = Fleet(work, 50, records=25)
            fleet.start(nursery)
            await fleet.until_more(3)
            nursery.cancel_scope.cancel()
    fleet.assert_promise_kept((redis_client, stream_name))
    assert not fleet.dropped


async def test_each_stream_has_a_connection_with_a_name_and_a_device_keeps_to_one(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    streams = (f"{stream_name}:a", f"{stream_name}:b", f"{stream_name}:c")
    async with (
        at_work(redis_server.ingestion_url, *streams) as work,
        trio.open_nursery() as nursery,
    ):
        fleet = Fleet(work, 60)
        fleet.start(nursery)
        await fleet.until_more(2)
        nursery.cancel_scope.cancel()
        clients: Any = redis_client.client_list()
        names = sorted(each["name"] for each in clients if "publisher" in each["name"])
        assert names == [f"tcp-ingestion/test:publisher-{number}" for number in range(3)]
    devices = [{device for device, _ in published(redis_client, each)} for each in streams]
    assert all(devices)
    assert sum(map(len, devices)) == len(set.union(*devices)) == 60
    fleet.assert_promise_kept(*((redis_client, each) for each in streams))


async def test_the_frame_of_a_session_that_is_cancelled_stays_on_its_way(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with at_work(redis_server.ingestion_url, stream_name) as work:
        with trio.CancelScope() as scope:
            scope.cancel()
            await work.publish(1, 1)
        assert scope.cancelled_caught
        assert work.publishers.depth.records == 5
        assert (await work.publish(1, 2))[-1] == 5
        assert len(list(published(redis_client, stream_name))) == 10
        assert work.publishers.depth.records == 0


async def test_a_confirmation_answers_its_own_frame_only(
    redis_server: RedisServer, stream_name: str
) -> None:
    async with at_work(redis_server.ingestion_url, stream_name) as work:
        one, other = (frame(1, number, streams=work.streams) for number in (1, 2))
        confirmation = await work.publishers.publish(one)
        with pytest.raises(ValueError, match="another frame"):
            other.answer(confirmation)


async def test_what_has_gathered_goes_out_in_one_piece(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with at_work(redis_server.ingestion_url, stream_name) as work:
        info: Any = redis_client.info("stats")
        before = info["total_reads_processed"]
        async with trio.open_nursery() as nursery:
            for device in range(100):
                nursery.start_soon(work.publish, device, 1)
        info = redis_client.info("stats")
        # 150 kB in pieces of the 16 kB that Redis reads at a time, and what asks here.
        assert info["total_reads_processed"] - before < 40
