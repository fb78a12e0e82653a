"""Redelivery on a real server: what happens between its two exchanges, and to one that is cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from processor.edges.ports import STREAM_START
from processor.edges.redis.pending import PendingEntries
from telemetry.chassis.errors import RedisUnavailable
from tests.support.stream_contract import (
    GROUP,
    LONG_BLOCK_MS,
    RealStreamHarness,
    delivered,
    ids_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from dev.servers import RedisServer


def between_lease_and_delivery(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have `act` come between the two exchanges in which entries are delivered again."""
    lease = PendingEntries._lease

    async def lease_and_act(*arguments: Any) -> Any:
        leased = await lease(*arguments)
        act()
        return leased

    monkeypatch.setattr(PendingEntries, "_lease", lease_and_act)


@pytest.mark.parametrize("loss", ["destroy_group", "delete_stream"])
async def test_a_group_that_goes_while_entries_are_delivered_again_leaves_nothing_pending(
    real: RealStreamHarness, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    [entry_id] = await delivered(real, 1)
    between_lease_and_delivery(monkeypatch, getattr(real, loss))
    again = await real.stream.redeliver([entry_id])
    assert (again.delivery.entries, [*again.lost_ids]) == (0, [])


async def test_entries_that_are_deleted_while_they_are_delivered_again_are_lost(
    real: RealStreamHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, deleted = await delivered(real, 2)
    bad = real.add_malformed()
    await real.stream.read_new(1, LONG_BLOCK_MS)
    between_lease_and_delivery(monkeypatch, lambda: real.delete(deleted))
    again = await real.stream.redeliver([kept, deleted, bad])
    assert (ids_of(again.delivery), again.delivery.entries) == ([kept], 2)
    assert [*again.lost_ids] == [deleted]
    assert real.pending() == {kept: 2, bad: 2}


async def test_entries_that_others_settle_while_they_are_delivered_again_are_no_losses(
    real: RealStreamHarness, redis_client: Redis, stream_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, settled = await delivered(real, 2)
    between_lease_and_delivery(monkeypatch, lambda: redis_client.xack(stream_name, GROUP, settled))
    again = await real.stream.redeliver([kept, settled])
    assert (ids_of(again.delivery), [*again.lost_ids]) == ([kept], [])


async def test_an_exchange_about_pending_entries_that_is_cut_off_costs_no_other_connection(
    real: RealStreamHarness, redis_server: RedisServer
) -> None:
    entry_ids = await delivered(real, 3)
    stream: Any = real.stream
    redis_server.process.freeze()
    with trio.move_on_after(0.02) as scope:
        await stream.redeliver(entry_ids)
    redis_server.process.thaw()
    assert scope.cancelled_caught
    assert await stream.renew(entry_ids) == entry_ids
    assert (await stream.read_new(1, 1)).entries == 0
    with pytest.raises(RedisUnavailable):
        await stream.list_pending(STREAM_START, 10)
    await stream.connect()
    assert ids_of((await stream.redeliver(entry_ids)).delivery) == entry_ids


async def test_several_tasks_may_ask_about_pending_entries_at_a_time(
    real: RealStreamHarness,
) -> None:
    entry_ids = await delivered(real, 50)
    redelivered: list[list[str]] = []

    async def redeliver(some: list[str]) -> None:
        redelivered.append(ids_of((await real.stream.redeliver(some)).delivery))

    async with trio.open_nursery() as nursery:
        for start in range(0, 50, 5):
            nursery.start_soon(redeliver, entry_ids[start : start + 5])
            nursery.start_soon(real.stream.list_pending, STREAM_START, 50)
    assert sorted(redelivered) == sorted(entry_ids[start : start + 5] for start in range(0, 50, 5))
