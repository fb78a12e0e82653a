from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from processor.reading.reclaimer import Reclaimer
from processor.watching.keep_alive import keep_connections_alive
from telemetry.chassis.nudge import Nudge
from tests.support.fakes.redis import parse_id
from tests.support.redis_harness import IDLE_MS, RedisHarness

if TYPE_CHECKING:
    from trio.testing import MockClock

    from telemetry.chassis.backoff import Backoff
    from tests.processor.conftest import LogLines

INTERVAL_MS = 15_000
INTERVAL_S = INTERVAL_MS / 1000
IDLE_S = IDLE_MS / 1000


async def left_by_a_peer(
    harness: RedisHarness, records: int, *, first_second: int = 0
) -> list[str]:
    ids = harness.publish(records, first_second=first_second)
    await (await harness.peer()).read_new(records, 1)
    return ids


@pytest.fixture
def nudge() -> Nudge:
    return Nudge()


@pytest.fixture
def reclaimer(harness: RedisHarness, backoff: Backoff, nudge: Nudge) -> Reclaimer:
    harness.pending_pass.own_taken.set()
    return Reclaimer(
        harness.redis,
        harness.pending_pass,
        interval_ms=INTERVAL_MS,
        nudge=nudge,
        journal=harness.journal,
        backoff=backoff,
    )


async def test_it_claims_at_once_and_then_after_every_interval(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, reclaimer: Reclaimer
) -> None:
    first = await left_by_a_peer(harness, 2)
    await trio.sleep(IDLE_S)
    later = await left_by_a_peer(harness, 2, first_second=100)
    nursery.start_soon(reclaimer.run)
    await wait_all_tasks_blocked()
    assert harness.admitted() == [first]
    await trio.sleep(IDLE_S - 1)
    assert harness.admitted() == []
    began = trio.current_time()
    assert await harness.receive() == later
    assert trio.current_time() - began <= 1 + INTERVAL_S
    nursery.cancel_scope.cancel()


async def test_failures_of_settled_entries_are_forgotten_after_each_whole_pass(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, reclaimer: Reclaimer
) -> None:
    [entry_id] = await left_by_a_peer(harness, 1)
    harness.record(entry_id, 1)
    harness.record("99-0", 2)
    nursery.start_soon(reclaimer.run)
    await wait_all_tasks_blocked()
    assert list(harness.server.attempts) == [entry_id]
    harness.server.acknowledge([parse_id(entry_id)])
    await trio.sleep(INTERVAL_S + 1)
    assert not harness.server.attempts
    nursery.cancel_scope.cancel()


async def test_a_pass_that_failed_is_not_whole_and_nothing_is_forgotten_after_it(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, reclaimer: Reclaimer
) -> None:
    harness.record("99-0", 2)
    harness.stream.faults.before["claim"].append(
        harness.stream.refused("BUSY", "a script is running")
    )
    nursery.start_soon(reclaimer.run)
    await trio.sleep(1)
    assert harness.failures_of("99-0") == 2
    await trio.sleep(INTERVAL_S)
    assert harness.failures_of("99-0") == 0
    nursery.cancel_scope.cancel()


async def test_a_pass_that_redis_refuses_is_logged_and_begins_again_after_the_interval(
    clock: MockClock,
    nursery: trio.Nursery,
    harness: RedisHarness,
    reclaimer: Reclaimer,
    logged: LogLines,
) -> None:
    ids = await left_by_a_peer(harness, 2)
    await trio.sleep(IDLE_S)
    busy = harness.stream.refused("BUSY", "a script is running")
    harness.stream.faults.before["claim"] += [busy, busy]
    began = trio.current_time()
    nursery.start_soon(reclaimer.run)
    assert await harness.receive() == ids
    assert trio.current_time() - began == pytest.approx(2 * INTERVAL_S)
    assert [line["retry_ms"] for line in logged.fields("claim failed")] == [INTERVAL_MS] * 2
    nursery.cancel_scope.cancel()


async def test_a_pass_that_lost_its_connection_is_logged_and_begins_again_at_once(
    clock: MockClock,
    nursery: trio.Nursery,
    harness: RedisHarness,
    reclaimer: Reclaimer,
    logged: LogLines,
) -> None:
    ids = await left_by_a_peer(harness, 2)
    await trio.sleep(IDLE_S)
    harness.stream.faults.before["claim"].append(harness.stream.unavailable())
    began = trio.current_time()
    nursery.start_soon(reclaimer.run)
    assert await harness.receive() == ids
    assert trio.current_time() == began
    assert [line["retry_ms"] for line in logged.fields("claim failed")] == [0]
    nursery.cancel_scope.cancel()


async def test_passes_that_lose_their_connections_one_after_the_other_begin_again_after_growing_pauses(
    clock: MockClock,
    nursery: trio.Nursery,
    harness: RedisHarness,
    reclaimer: Reclaimer,
    logged: LogLines,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("telemetry.chassis.backoff.random", lambda: 1.0)
    ids = await left_by_a_peer(harness, 2)
    await trio.sleep(IDLE_S)
    harness.stream.faults.before["claim"] += [harness.stream.unavailable()] * 5
    began = trio.current_time()
    nursery.start_soon(reclaimer.run)
    assert await harness.receive() == ids
    assert trio.current_time() - began == pytest.approx(0.1 + 0.2 + 0.4 + 0.8)
    pauses = [line["retry_ms"] for line in logged.fields("claim failed")]
    assert pauses == [0, 100, 200, 400, 800]
    # The next failure counts as the first one again.
    await trio.sleep(INTERVAL_S + 1)
    harness.stream.faults.before["claim"].append(harness.stream.unavailable())
    await trio.sleep(INTERVAL_S)
    assert logged.fields("claim failed")[-1]["retry_ms"] == 0
    nursery.cancel_scope.cancel()


async def test_behind_a_proxy_that_closes_what_is_idle_every_pass_claims(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, reclaimer: Reclaimer
) -> None:
    harness.server.idle_s_max = 10
    nursery.start_soon(reclaimer.run)
    for second in range(3):
        ids = await left_by_a_peer(harness, 1, first_second=second * 100)
        left_at = trio.current_time()
        assert await harness.receive() == ids
        assert trio.current_time() - left_at <= IDLE_S + INTERVAL_S
    nursery.cancel_scope.cancel()


async def test_with_keep_alives_every_few_seconds_such_a_proxy_closes_nothing(
    clock: MockClock,
    nursery: trio.Nursery,
    harness: RedisHarness,
    reclaimer: Reclaimer,
    logged: LogLines,
) -> None:
    harness.server.idle_s_max = 10
    nursery.start_soon(reclaimer.run)
    nursery.start_soon(keep_connections_alive, harness.stream)
    await trio.sleep(20 * INTERVAL_S)
    assert not logged.lines("claim failed")
    nursery.cancel_scope.cancel()


async def test_what_was_claimed_and_lost_on_the_way_is_taken_at_once_and_in_halves(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, reclaimer: Reclaimer
) -> None:
    ids = await left_by_a_peer(harness, 5)
    await trio.sleep(IDLE_S)
    harness.server.reply_entries_max = 1
    began = trio.current_time()
    nursery.start_soon(reclaimer.run)
    taken: list[str] = []
    while len(taken) < len(ids):
        taken += await harness.receive()
    assert taken == ids
    assert trio.current_time() - began < 1
    nursery.cancel_scope.cancel()


async def test_one_entry_that_is_lost_again_and_again_delays_no_claim(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, reclaimer: Reclaimer
) -> None:
    await left_by_a_peer(harness, 1)
    await trio.sleep(IDLE_S)
    harness.stream.faults.after["redeliver"] += [harness.stream.unavailable()] * 2
    nursery.start_soon(reclaimer.run)
    await trio.sleep(1)
    later = await left_by_a_peer(harness, 1, first_second=100)
    assert len(harness.stream.faults.after["redeliver"]) == 1
    harness.stream.faults.after["redeliver"].clear()
    await trio.sleep(IDLE_S + INTERVAL_S)
    assert later[0] in harness.taken()
    nursery.cancel_scope.cancel()


async def test_it_waits_for_a_redis_that_is_away(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, reclaimer: Reclaimer
) -> None:
    ids = await left_by_a_peer(harness, 2)
    await trio.sleep(IDLE_S)
    harness.server.go_away()
    nursery.start_soon(reclaimer.run)
    await trio.sleep(600)
    harness.server.come_back()
    assert await harness.receive() == ids
    nursery.cancel_scope.cancel()


async def test_without_a_group_there_is_nothing_to_claim_and_nothing_to_complain_of(
    clock: MockClock,
    nursery: trio.Nursery,
    harness: RedisHarness,
    reclaimer: Reclaimer,
    logged: LogLines,
) -> None:
    harness.server.delete_stream()
    nursery.start_soon(reclaimer.run)
    await trio.sleep(600)
    assert not logged.lines()
    nursery.cancel_scope.cancel()


async def test_claimed_entries_are_admitted_although_a_stop_is_requested(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, reclaimer: Reclaimer
) -> None:
    ids = await left_by_a_peer(harness, 2)
    await trio.sleep(IDLE_S)
    scope = trio.CancelScope()
    take = harness.in_flight.take_again

    def stop(*arguments: object) -> None:
        take(*arguments)  # type: ignore[arg-type]
        scope.cancel()

    harness.in_flight.take_again = stop  # type: ignore[assignment, method-assign]

    async def run() -> None:
        with scope:
            await reclaimer.run()

    nursery.start_soon(run)
    assert await harness.receive() == ids
    await wait_all_tasks_blocked()
    assert scope.cancelled_caught


async def test_it_ends_by_itself_when_the_writers_are_gone(
    clock: MockClock, harness: RedisHarness, reclaimer: Reclaimer
) -> None:
    await left_by_a_peer(harness, 2)
    await trio.sleep(IDLE_S)
    harness.inlets[0].abandon()
    with trio.fail_after(10):
        await reclaimer.run()


async def test_a_nudge_has_it_look_at_once_and_then_after_every_interval_as_before(
    clock: MockClock,
    nursery: trio.Nursery,
    harness: RedisHarness,
    reclaimer: Reclaimer,
    nudge: Nudge,
) -> None:
    ids = await left_by_a_peer(harness, 2)
    # Before the entries are idle enough, the first pass finds nothing.
    await trio.sleep(IDLE_S - 1)
    nursery.start_soon(reclaimer.run)
    await trio.sleep(1)
    began = trio.current_time()
    nudge.give()
    assert await harness.receive() == ids
    assert trio.current_time() == began
    later = await left_by_a_peer(harness, 1, first_second=100)
    assert await harness.receive() == later
    assert trio.current_time() - began == pytest.approx(IDLE_S, abs=INTERVAL_S)
    nursery.cancel_scope.cancel()


async def test_a_nudge_during_a_pass_has_it_look_once_more_behind_it(
    clock: MockClock, nudge: Nudge
) -> None:
    nudge.give()
    nudge.give()
    began = trio.current_time()
    await nudge.pause(INTERVAL_S)
    assert trio.current_time() == began
    await nudge.pause(INTERVAL_S)
    assert trio.current_time() - began == INTERVAL_S
