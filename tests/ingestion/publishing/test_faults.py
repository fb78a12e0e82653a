"""A Redis that is killed, frozen, cut off, slow or elsewhere: what was answered is in the stream, nothing is twice."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from redis import Redis

from dev.servers import launch_redis, launch_relay
from dev.servers.ports import HOST
from dev.servers.redis_users import INGESTION, login, redis_url
from tests.support.peers import answering, peer
from tests.support.publishing import QUICK, AtWork, Fleet, at_work, cut_short, until
from tests.support.redis_connections import INTRODUCTION
from tests.support.tls_relay import relay_to

if TYPE_CHECKING:
    from dev.servers import RedisBinary, RedisServer

pytestmark = pytest.mark.usefixtures("quick")

DEVICES = 50
# What a peer answers to a probe, and to an entry.
PROBED = b"-ERR The ID specified in XADD must be greater than 0-0\r\n:0\r\n"
CONFIRMED = b"$15\r\n1777636800000-0\r\n"


async def test_a_killed_server_costs_what_was_on_its_way_and_all_get_through_afterwards(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with (
        at_work(redis_server.ingestion_url, stream_name, limits=QUICK) as work,
        trio.open_nursery() as nursery,
    ):
        fleet = Fleet(work, DEVICES)
        fleet.start(nursery)
        for _ in range(2):
            await fleet.until_more()
            redis_server.process.kill()
            await work.until_lost()
            redis_server.process.start()
            await fleet.until_more()
            await work.until_ready()
        nursery.cancel_scope.cancel()
    fleet.assert_promise_kept((redis_client, stream_name))
    assert fleet.dropped.keys() == {"connection"}
    assert work.errors == dict(fleet.dropped)


async def test_a_frozen_server_is_noticed_and_nothing_that_it_was_sent_is_sent_again(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with (
        at_work(redis_server.ingestion_url, stream_name, limits=QUICK) as work,
        trio.open_nursery() as nursery,
    ):
        fleet = Fleet(work, DEVICES)
        fleet.start(nursery)
        await fleet.until_more()
        redis_server.process.freeze()
        frozen_s = trio.current_time()
        await work.until_lost()
        # A tenth of 5 s, and what this machine takes.
        assert trio.current_time() - frozen_s < 1.5
        assert "no answer for 450 ms" in work.readiness.reason
        await until(lambda: fleet.dropped["connection"] > 3 * DEVICES, "frames are dropped")
        redis_server.process.thaw()
        await work.until_ready()
        await fleet.until_more()
        nursery.cancel_scope.cancel()
    fleet.assert_promise_kept((redis_client, stream_name))
    assert fleet.peak_records <= DEVICES * fleet.records


async def test_a_frozen_server_is_noticed_without_a_frame(
    redis_server: RedisServer, stream_name: str
) -> None:
    async with at_work(redis_server.ingestion_url, stream_name, limits=QUICK) as work:
        redis_server.process.freeze()
        await work.until_lost()
        redis_server.process.thaw()
        await work.until_ready()
        assert work.errors == {}


async def test_a_server_that_is_away_costs_each_frame_its_time_and_none_more(
    redis_server: RedisServer, stream_name: str
) -> None:
    async with (
        at_work(redis_server.ingestion_url, stream_name, limits=QUICK) as work,
        trio.open_nursery() as nursery,
    ):
        redis_server.process.stop()
        await work.until_lost()
        fleet = Fleet(work, DEVICES)
        fleet.start(nursery)
        began_s = trio.current_time()
        await until(lambda: fleet.dropped["connection"] == 2 * DEVICES, "each is dropped twice")
        assert 1.0 < trio.current_time() - began_s < 3.0
        nursery.cancel_scope.cancel()


async def test_frames_that_were_not_sent_wait_for_the_next_connection(
    redis_server: RedisServer,
    redis_client: Redis,
    stream_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ingestion.publishing.publisher.UNSENT_S_MAX", 20.0)
    async with at_work(redis_server.ingestion_url, stream_name, limits=QUICK) as work:
        redis_server.process.kill()
        await work.until_lost()
        async with trio.open_nursery() as nursery:
            for device in range(DEVICES):
                nursery.start_soon(work.publish, device, 1)
            await trio.testing.wait_all_tasks_blocked()
            redis_server.process.start()
        assert redis_client.xlen(stream_name) == 5 * DEVICES
        assert work.errors == {}


@pytest.mark.parametrize("cut_after_bytes", [1, 22 * 7, 22 * 7 + 5, 4_000])
async def test_of_a_pipeline_that_is_cut_off_what_was_answered_counts_and_nothing_else(
    redis_server: RedisServer, redis_client: Redis, stream_name: str, cut_after_bytes: int
) -> None:
    async with (
        relay_to(redis_server.port) as relay,
        at_work(redis_url(INGESTION, relay.port), stream_name, limits=QUICK) as work,
        trio.open_nursery() as nursery,
    ):
        fleet = Fleet(work, DEVICES)
        fleet.start(nursery)
        await fleet.until_more()
        relay.cut_after_bytes = cut_after_bytes
        await until(lambda: fleet.dropped, "the connection is cut")
        relay.cut_after_bytes = None
        await fleet.until_more()
        nursery.cancel_scope.cancel()
    fleet.assert_promise_kept((redis_client, stream_name))
    assert fleet.dropped.keys() == {"connection"}


@pytest.mark.parametrize("rubbish", [b"HTTP/1.1 400\r\n", b":1\r\n"], ids=["no reply", "nobody's"])
async def test_what_came_before_a_reply_that_is_none_counts_and_the_connection_is_replaced(
    rubbish: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    connections = 0

    async def talk(stream: trio.SocketStream) -> None:
        nonlocal connections
        connections += 1
        with suppress(trio.BrokenResourceError):
            await answering(*INTRODUCTION, PROBED, CONFIRMED * 5 + rubbish)(stream)

    async with (
        peer(talk) as port,
        cut_short(f"redis://{HOST}:{port}", "s") as work,
    ):
        for number in range(3):
            assert (await work.publish(1, number))[-1] == 5
            await until(lambda n=number: connections == n + 2, "there is another connection")
    assert "not the Redis protocol" in caplog.text


async def test_replies_that_came_in_count_although_the_others_are_still_to_come() -> None:
    async with (
        peer(answering(*INTRODUCTION, PROBED, CONFIRMED * 100)) as port,
        cut_short(f"redis://{HOST}:{port}", "s") as work,
        trio.open_nursery() as nursery,
    ):
        for device in range(200):
            nursery.start_soon(work.publish, device, 1, 1)
        await until(lambda: work.publishers.depth.records == 100, "half of the frames are answered")
        nursery.cancel_scope.cancel()


async def test_a_slow_link_takes_its_time_and_no_connection(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    with launch_relay(redis_server.port) as relay:
        relay.up.bytes_per_s = 200_000
        async with (
            at_work(redis_url(INGESTION, relay.port), stream_name, limits=QUICK) as work,
            trio.open_nursery() as nursery,
        ):
            fleet = Fleet(work, DEVICES)
            fleet.start(nursery)
            await fleet.until_more()
            nursery.cancel_scope.cancel()
        assert relay.accepted == 1
    fleet.assert_promise_kept((redis_client, stream_name))


def have_a_small_buffer(work: AtWork) -> None:
    """Have the system take little of what is sent at a time."""
    [publisher] = work.publishers._publishers
    assert publisher._route._connection is not None
    buffer = (trio.socket.SOL_SOCKET, trio.socket.SO_SNDBUF)
    publisher._route._connection._socket.setsockopt(*buffer, 4_096)


async def test_a_link_that_takes_too_little_drops_what_waits_too_long_and_redis_is_not_ready(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    with launch_relay(redis_server.port) as relay:
        async with (
            at_work(redis_url(INGESTION, relay.port), stream_name) as work,
            trio.open_nursery() as nursery,
        ):
            have_a_small_buffer(work)
            relay.up.bytes_per_s = 50_000
            fleet = Fleet(work, DEVICES, records=25)
            fleet.start(nursery)
            await work.until_lost()
            assert "not sent in time" in work.readiness.reason
            await until(lambda: fleet.dropped["connection"] > 2 * DEVICES, "frames are dropped")
            relay.up.bytes_per_s = None
            await fleet.until_more(1)
            assert work.readiness.ready
            nursery.cancel_scope.cancel()
        assert relay.accepted == 1
    fleet.assert_promise_kept((redis_client, stream_name))


async def test_a_frame_that_the_socket_takes_in_pieces_is_sent_whole(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    with launch_relay(redis_server.port) as relay:
        async with (
            at_work(redis_url(INGESTION, relay.port), stream_name) as work,
            trio.open_nursery() as nursery,
        ):
            have_a_small_buffer(work)
            fleet = Fleet(work, 2, records=255)
            fleet.start(nursery)
            await fleet.until_more()
            nursery.cancel_scope.cancel()
    fleet.assert_promise_kept((redis_client, stream_name))
    assert not fleet.dropped


async def test_a_link_that_takes_nothing_any_more_fills_no_memory(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    with launch_relay(redis_server.port) as relay:
        async with (
            at_work(
                redis_url(INGESTION, relay.port), stream_name, limits=QUICK, records_max=500
            ) as work,
            trio.open_nursery() as nursery,
        ):
            fleet = Fleet(work, DEVICES, records=20)
            fleet.start(nursery)
            await fleet.until_more(1)
            relay.frozen = True
            await work.until_lost()
            await until(lambda: fleet.dropped["overflow"] > DEVICES, "the queue is full")
            relay.frozen = False
            await work.until_ready()
            await fleet.until_more(1)
            nursery.cancel_scope.cancel()
    assert fleet.peak_records <= 500
    fleet.assert_promise_kept((redis_client, stream_name))


async def test_after_a_failover_the_new_master_gets_the_frames(redis_binary: RedisBinary) -> None:
    name = "telemetry:failover"
    with (
        launch_redis(redis_binary) as one,
        launch_redis(redis_binary) as two,
        launch_relay(one.port) as relay,
        Redis.from_url(one.admin_url) as old,
        Redis.from_url(two.admin_url) as new,
    ):
        two.follow(one)
        async with (
            at_work(redis_url(INGESTION, relay.port), name) as work,
            trio.open_nursery() as nursery,
        ):
            fleet = Fleet(work, DEVICES)
            fleet.start(nursery)
            await fleet.until_more()
            # As FAILOVER does it: what the old master answers behind this point would be lost, and nobody would know.
            old.client_pause(60_000, all=False)
            assert old.wait(1, 1_000) == 1
            two.lead()
            relay.target_port = two.port
            one.follow(two)
            old.client_unpause()
            await fleet.until_more()
            await work.until_ready()
            nursery.cancel_scope.cancel()
        fleet.assert_promise_kept((new, name))
        assert fleet.dropped["READONLY"]
        assert fleet.dropped.keys() <= {"READONLY", "connection"}
        assert relay.accepted >= 2


async def test_a_server_that_is_full_at_the_login_is_tried_again(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> None:
    async with at_work(redis_server.ingestion_url, stream_name, limits=QUICK) as work:
        redis_client.acl_setuser(INGESTION, enabled=False)
        try:
            redis_client.client_kill_filter(_type="normal", skipme=True)
            await work.until_lost()
            await until(lambda: "WRONGPASS" in work.readiness.reason, "the login is refused")
        finally:
            redis_client.acl_setuser(INGESTION, enabled=True)
        await work.until_ready()
        await work.publish(1, 1)
    assert login(INGESTION) not in work.readiness.reason
