from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from processor.settling.leases import renew_leases
from tests.support.fakes.faults import Moment
from tests.support.fakes.redis import parse_id
from tests.support.redis_harness import IDLE_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio.testing import MockClock

    from tests.processor.conftest import Told
    from tests.support.redis_harness import RedisHarness

THIRD_S = IDLE_MS / 1000 / 3


class Renewals:
    """What was asked for, and when."""

    def __init__(self, harness: RedisHarness) -> None:
        self.asked: list[tuple[float, list[str]]] = []
        self._began = trio.current_time()
        self._renew = harness.stream.renew
        harness.stream.renew = self._note  # type: ignore[method-assign]

    async def _note(self, entry_ids: Sequence[str]) -> list[str]:
        self.asked.append((trio.current_time() - self._began, list(entry_ids)))
        return await self._renew(entry_ids)


def start(nursery: trio.Nursery, harness: RedisHarness) -> None:
    nursery.start_soon(renew_leases, harness.redis, harness.in_flight, IDLE_MS, harness.journal)


async def take(harness: RedisHarness, records: int, *, first_second: int = 0) -> list[str]:
    ids = harness.publish(records, first_second=first_second)
    harness.in_flight.take(await harness.read())
    return ids


async def test_every_third_of_the_threshold_what_has_been_in_flight_for_that_long_is_renewed(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness
) -> None:
    start(nursery, harness)
    renewals = Renewals(harness)
    first = await take(harness, 2)
    await trio.sleep(THIRD_S / 2)
    second = await take(harness, 1, first_second=100)
    await trio.sleep(THIRD_S * 2)
    assert [ids for _, ids in renewals.asked] == [first, [*first, *second]]
    assert [when for when, _ in renewals.asked] == pytest.approx([THIRD_S, 2 * THIRD_S])
    nursery.cancel_scope.cancel()


async def test_while_an_entry_is_in_flight_no_peer_can_claim_it(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness
) -> None:
    start(nursery, harness)
    await take(harness, 5)
    peer = await harness.peer()
    for _ in range(100):
        await trio.sleep(7)
        assert max(entry.idle_ms for entry in harness.server.pending.values()) <= IDLE_MS * 2 / 3
        assert not (await peer.claim("0-0", 100, idle_ms=IDLE_MS)).entries
    nursery.cancel_scope.cancel()


async def test_what_is_settled_or_left_pending_is_not_renewed(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness
) -> None:
    start(nursery, harness)
    renewals = Renewals(harness)
    acked = await take(harness, 2)
    harness.server.acknowledge(map(parse_id, acked))
    harness.in_flight.taken_over(acked[0])
    harness.in_flight.taken_over(acked[1])
    [refused] = await take(harness, 1, first_second=100)
    harness.in_flight.left_pending(refused, recorded=True)
    await trio.sleep(2 * IDLE_MS / 1000)
    assert renewals.asked == []
    assert harness.pending_entry(refused).idle_ms >= IDLE_MS
    nursery.cancel_scope.cancel()


async def test_entries_that_a_peer_has_taken_over_are_not_taken_back_but_logged(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, told: Told
) -> None:
    ids = await take(harness, 3)
    peer = await harness.peer()
    # A life that was frozen for longer than the threshold.
    await trio.sleep(IDLE_MS / 1000 + 1)
    await peer.claim("0-0", 2, idle_ms=IDLE_MS)
    start(nursery, harness)
    await trio.sleep(THIRD_S + 1)
    assert [harness.pending_entry(entry_id).owner for entry_id in ids] == [
        "processor-2",
        "processor-2",
        "processor-1",
    ]
    [line] = told.fields("leases renewed")
    assert line == {"n": 1, "taken_over": 2}
    nursery.cancel_scope.cancel()


async def test_what_is_acknowledged_while_the_leases_are_renewed_was_not_taken_over(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, told: Told
) -> None:
    harness.publish(2)
    delivery = await harness.read()
    harness.in_flight.take(delivery)

    async def settle(call: str, moment: Moment) -> None:
        if (call, moment) == ("renew", Moment.BEFORE):
            await harness.stream.ack(delivery.batch)
            harness.in_flight.acked(delivery.batch)

    harness.stream.faults.intercept = settle
    start(nursery, harness)
    await trio.sleep(THIRD_S + 1)
    [line] = told.fields("leases renewed")
    assert line["taken_over"] == 0
    nursery.cancel_scope.cancel()


async def test_a_lost_connection_is_replaced_although_nobody_else_needs_it(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness
) -> None:
    start(nursery, harness)
    [entry_id] = await take(harness, 1)
    harness.stream.faults.before["renew"].append(harness.stream.unavailable())
    for _ in range(20):
        await trio.sleep(THIRD_S)
        assert harness.pending_entry(entry_id).idle_ms < 2 * THIRD_S * 1000
    nursery.cancel_scope.cancel()


async def test_a_refusal_is_answered_with_another_renewal_in_its_time(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness
) -> None:
    start(nursery, harness)
    [entry_id] = await take(harness, 1)
    refusal = harness.stream.refused("OOM", "command not allowed when used memory > 'maxmemory'.")
    harness.stream.faults.before["renew"].append(refusal)
    await trio.sleep(3 * THIRD_S)
    assert harness.pending_entry(entry_id).idle_ms <= IDLE_MS * 2 / 3
    nursery.cancel_scope.cancel()
