"""A Redis Cluster whose slot moves under load: no frame is dropped, and each record is published once, in order."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from dev.servers.redis_users import INGESTION
from tests.support.clusters import move
from tests.support.publishing import QUICK, Fleet, at_work, published, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.servers.redis_cluster import ClusterNode, RedisCluster

DEVICES = 50
# Enough for a slot to be moved in the middle of some frame.
RECORDS = 20


async def away(do: Callable[..., object], *arguments: object) -> object:
    """Do what blocks in a thread, while frames are published."""
    return await trio.to_thread.run_sync(do, *arguments)


def ends_of(cluster: RedisCluster, stream: str) -> tuple[ClusterNode, ClusterNode]:
    source = cluster.master_of(stream)
    return source, cluster.other_master(source)


def refusals_of(node: ClusterNode) -> int:
    """How many commands it has refused so far."""
    stats: Any = node.client.info("stats")
    return int(stats["total_error_replies"])


@pytest.mark.parametrize("cluster_of", ["RESP3", "RESP2"], indirect=True)
async def test_a_slot_that_moves_under_load_costs_no_frame_wherever_its_stream_is(
    cluster_of: RedisCluster, clustered_stream: str
) -> None:
    cluster, stream = cluster_of, clustered_stream
    source, target = ends_of(cluster, stream)
    async with (
        at_work(source.server.ingestion_url, stream) as work,
        trio.open_nursery() as nursery,
    ):
        fleet = Fleet(work, DEVICES, RECORDS)
        fleet.start(nursery)
        await fleet.until_more()
        for here, there in ((source, target), (target, source)):
            await away(cluster.begin_move, stream, there)
            await fleet.until_more()
            await away(cluster.move_key, stream, here, there)
            assert work.readiness.ready
            await fleet.until_more()
            assert work.readiness.ready
            await away(move, cluster, stream, here, there)
            await fleet.until_more()
        await work.until_ready()
        nursery.cancel_scope.cancel()
    assert not fleet.dropped
    assert not work.errors
    fleet.assert_promise_kept((source.client, stream))
    assert target.ask("CLUSTER", "GETKEYSINSLOT", cluster.slot_of(stream), 10) == []


async def test_frames_of_one_device_keep_their_order_on_both_ways(
    cluster: RedisCluster, clustered_stream: str
) -> None:
    stream = clustered_stream
    source, target = ends_of(cluster, stream)
    cluster.begin_move(stream, target)
    async with (
        at_work(source.server.ingestion_url, stream) as work,
        trio.open_nursery() as nursery,
    ):
        for number in range(200):
            nursery.start_soon(work.publish, 1, number)
            await trio.testing.wait_all_tasks_blocked()
            if number == 100:
                nursery.start_soon(away, move, cluster, stream, source, target)
    times = [unix_ms for _, unix_ms in published(target.client, stream)]
    assert times == sorted(set(times))
    assert len(times) == 1_000


async def test_the_last_reply_to_what_was_sent_on_is_seen_when_it_comes(
    cluster: RedisCluster, clustered_stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever watches would find it, too.
    monkeypatch.setattr("ingestion.publishing.publisher.WATCH_S", 60.0)
    stream = clustered_stream
    source, target = ends_of(cluster, stream)
    cluster.begin_move(stream, target)
    async with (
        at_work(source.server.ingestion_url, stream) as work,
        trio.open_nursery() as nursery,
    ):
        # All replies come when all has been sent.
        target.ask("CLIENT", "PAUSE", 60_000, "WRITE")
        nursery.start_soon(partial(work.publish, 1, 1, records=255))
        clients: Any = target.client.client_list
        await until(lambda: any("b" in each["flags"] for each in clients()), "it waits")
        await trio.testing.wait_all_tasks_blocked(0.01)
        target.ask("CLIENT", "UNPAUSE")
    move(cluster, stream, source, target)


async def test_two_ends_that_send_frames_to_each_other_for_a_moment_cost_no_frame(
    cluster: RedisCluster, clustered_stream: str
) -> None:
    stream = clustered_stream
    source, target = ends_of(cluster, stream)
    slot = cluster.slot_of(stream)
    async with (
        at_work(source.server.ingestion_url, stream) as work,
        trio.open_nursery() as nursery,
    ):
        # Of one record, so that none is taken in its midst alone.
        fleet = Fleet(work, DEVICES, records=1)
        fleet.start(nursery)
        await away(cluster.begin_move, stream, target)
        await away(cluster.move_key, stream, source, target)
        await fleet.until_more()
        refused = refusals_of(target)
        await away(target.ask, "CLUSTER", "SETSLOT", slot, "STABLE")
        await until(lambda: refusals_of(target) > refused, "it refuses")
        await away(target.ask, "CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        await fleet.until_more()
        await away(move, cluster, stream, source, target)
        await fleet.until_more()
        nursery.cancel_scope.cancel()
    assert not fleet.dropped
    fleet.assert_promise_kept((target.client, stream))


async def test_a_node_that_is_asked_and_silent_costs_what_it_was_sent_and_is_asked_again(
    cluster: RedisCluster, clustered_stream: str, quick: None
) -> None:
    stream = clustered_stream
    source, target = ends_of(cluster, stream)
    async with at_work(source.server.ingestion_url, stream, limits=QUICK) as work:
        await work.publish(1, 1)
        await away(cluster.begin_move, stream, target)
        await away(cluster.move_key, stream, source, target)
        await work.publish(1, 2)
        # Not frozen: the others would take it for dead.
        target.ask("CLIENT", "PAUSE", 60_000, "WRITE")
        async with trio.open_nursery() as nursery:
            fleet = Fleet(work, DEVICES)
            fleet.start(nursery)
            await until(lambda: fleet.dropped["connection"] >= 2 * DEVICES, "frames are dropped")
            assert not fleet.answered
            assert not work.readiness.ready
            target.ask("CLIENT", "UNPAUSE")
            await fleet.until_more()
            await work.until_ready()
            nursery.cancel_scope.cancel()
    move(cluster, stream, source, target)
    fleet.assert_promise_kept((target.client, stream))


async def test_a_user_that_may_not_ask_is_named_to_whoever_reads_the_log(
    cluster: RedisCluster, clustered_stream: str
) -> None:
    stream = clustered_stream
    source, target = ends_of(cluster, stream)
    async with at_work(source.server.ingestion_url, stream) as work:
        await work.publish(1, 1)
        await away(cluster.begin_move, stream, target)
        await away(cluster.move_key, stream, source, target)
        with target.server.denials_intended():
            target.ask("ACL", "SETUSER", INGESTION, "-asking")
            fleet = Fleet(work, 1)
            try:
                async with trio.open_nursery() as nursery:
                    fleet.start(nursery)
                    await until(lambda: fleet.dropped["NOPERM"], "it is refused")
                    nursery.cancel_scope.cancel()
            finally:
                target.ask("ACL", "SETUSER", INGESTION, "+asking")
    move(cluster, stream, source, target)
