"""Passes over pending entries: our own from a former life, and those that others left idle."""

from __future__ import annotations

from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from processor.settling.failure_recorder import TrialWithdrawn
from telemetry.chassis import clocks
from telemetry.chassis.errors import RedisUnavailable
from tests.support.fakes.redis import parse_id
from tests.support.redis_harness import IDLE_MS, attempts_json, waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio.testing import MockClock

    from processor.edges.ports import Redelivered
    from processor.journal.journal import Journal
    from tests.processor.conftest import LogLines
    from tests.support.redis_harness import RedisHarness

IDLE_S = IDLE_MS / 1000


async def left_by_a_peer(
    harness: RedisHarness, records: int, *, first_second: int = 0
) -> list[str]:
    """Entries that another consumer has read, and keeps."""
    ids = harness.publish(records, first_second=first_second)
    await (await harness.peer()).read_new(records, 1)
    return ids


async def test_a_pass_takes_every_own_entry_page_by_page(
    clock: MockClock, harness: RedisHarness
) -> None:
    ids = harness.publish(12)
    await harness.read()
    await harness.pending_pass.take_own()
    assert harness.admitted() == [ids[:5], ids[5:10], ids[10:]]
    assert all(entry.deliveries == 2 for entry in harness.server.pending.values())


async def test_what_is_in_flight_is_never_taken_again(
    clock: MockClock, harness: RedisHarness, journal: Journal
) -> None:
    held = harness.publish(3)
    await harness.intake.admit(await harness.read(), redelivered=False)
    harness.admitted()
    swallowed = harness.publish(2, first_second=100)
    await harness.read()
    await harness.pending_pass.take_own()
    assert harness.admitted() == [swallowed]
    # Not even when its lease was not renewed in time.
    await trio.sleep(IDLE_S)
    await harness.pending_pass.claim()
    assert harness.admitted() == []
    assert [harness.pending_entry(entry_id).deliveries for entry_id in held] == [1, 1, 1]
    assert harness.in_flight.ledger.read == 5
    # Nobody had left it.
    assert journal.snapshot().entries_claimed == 0


async def test_a_young_failure_is_left_at_the_start_and_taken_when_it_is_claimed(
    clock: MockClock, harness: RedisHarness
) -> None:
    young, old = harness.publish(2)
    await harness.read()
    harness.record(old, 1)
    await trio.sleep(IDLE_S)
    harness.record(young, 1)
    await harness.pending_pass.take_own()
    assert harness.admitted() == [[old]]
    # Its failure is still young, but it was idle for long enough to be claimed.
    await harness.pending_pass.claim()
    assert harness.admitted() == [[young]]


async def test_a_failure_that_a_peers_fast_clock_dates_in_the_future_is_taken_when_it_is_claimed(
    clock: MockClock, harness: RedisHarness
) -> None:
    [entry_id] = await left_by_a_peer(harness, 1)
    ahead_ms = clocks.unix_ms() + 10 * IDLE_MS
    harness.server.attempts[entry_id] = attempts_json(1, ahead_ms, "bad_json")
    await trio.sleep(IDLE_S)
    await harness.pending_pass.claim()
    assert harness.admitted() == [[entry_id]]


async def test_recorded_failures_of_claimed_entries_are_known_when_they_are_acknowledged(
    clock: MockClock, harness: RedisHarness
) -> None:
    failed, _ = await left_by_a_peer(harness, 2)
    harness.record(failed, 1)
    await trio.sleep(IDLE_S)
    await harness.pending_pass.claim()
    [batch] = harness.inlets[0].take_nowait()
    assert harness.in_flight.attempted(batch) == [failed]


async def test_only_what_was_idle_for_long_enough_is_claimed(
    clock: MockClock, harness: RedisHarness, journal: Journal, logged: LogLines
) -> None:
    old = await left_by_a_peer(harness, 3)
    await trio.sleep(IDLE_S - 1)
    await left_by_a_peer(harness, 2, first_second=100)
    await harness.pending_pass.claim()
    assert harness.admitted() == []
    await trio.sleep(1)
    await harness.pending_pass.claim()
    assert harness.admitted() == [old]
    assert journal.snapshot().entries_claimed == 3
    assert logged.fields("batch consumed")[0]["redelivered"] is True
    assert {harness.pending_entry(entry_id).owner for entry_id in old} == {"processor-1"}


async def test_a_pass_reaches_a_stuck_tail_behind_many_fresh_entries(
    clock: MockClock, harness: RedisHarness
) -> None:
    fresh = await left_by_a_peer(harness, 200)
    tail = await left_by_a_peer(harness, 3, first_second=1_000)
    # The peer renews all its leases except for the last three.
    await trio.sleep(IDLE_S)
    await (await harness.peer()).renew(fresh)
    await harness.pending_pass.claim()
    assert harness.admitted() == [tail]


async def test_a_pass_goes_on_where_its_last_step_ended_and_ends_once_around(
    clock: MockClock, harness: RedisHarness
) -> None:
    ids = await left_by_a_peer(harness, 12)
    cursors: list[str] = []
    claim = harness.stream.claim

    async def note(cursor: str, count: int, *, idle_ms: int) -> object:
        cursors.append(cursor)
        return await claim(cursor, count, idle_ms=idle_ms)

    harness.stream.claim = note  # type: ignore[assignment, method-assign]
    await trio.sleep(IDLE_S)
    await harness.pending_pass.claim()
    assert cursors == ["0-0", ids[5], ids[10]]
    assert harness.taken() == ids


async def test_a_pass_that_fails_begins_again_and_takes_nothing_twice(
    clock: MockClock, harness: RedisHarness
) -> None:
    ids = await left_by_a_peer(harness, 12)
    await trio.sleep(IDLE_S)
    failures = iter([None, harness.stream.unavailable()])

    async def fail_the_second_step(call: str, moment: object) -> None:
        await trio.lowlevel.checkpoint()
        if call == "claim" and "BEFORE" in str(moment) and (error := next(failures, None)):
            raise error

    harness.stream.faults.intercept = fail_the_second_step
    with pytest.raises(RedisUnavailable):
        await harness.pending_pass.claim()
    await harness.stream.connect()
    await harness.pending_pass.claim()
    assert harness.taken() == ids
    assert harness.in_flight.ledger.read == 12


async def test_lost_entries_are_counted_once_and_logged_with_their_ids(
    clock: MockClock, harness: RedisHarness, journal: Journal, logged: LogLines
) -> None:
    ids = await left_by_a_peer(harness, 4)
    for entry_id in ids[:2]:
        harness.server.delete(entry_id)
    await trio.sleep(IDLE_S)
    await harness.pending_pass.claim()
    await harness.pending_pass.claim()
    assert harness.admitted() == [ids[2:]]
    assert journal.snapshot().entries_lost == harness.in_flight.ledger.lost == 2
    assert [line["entry_ids"] for line in logged.fields("entries lost")] == [ids[:2]]
    assert harness.unaccounted == 0


async def test_own_entries_that_are_lost_are_counted_and_logged_too(
    clock: MockClock, harness: RedisHarness, journal: Journal, logged: LogLines
) -> None:
    ids = harness.publish(4)
    await harness.read()
    for entry_id in ids[:3]:
        harness.server.delete(entry_id)
    await harness.pending_pass.take_own()
    assert harness.admitted() == [ids[3:]]
    assert journal.snapshot().entries_lost == 3
    assert [line["entry_ids"] for line in logged.fields("entries lost")] == [ids[:3]]
    assert len(harness.server.pending) == 1


async def test_a_sweep_counts_what_we_refused_and_a_peer_dead_lettered_as_taken_over(
    clock: MockClock, harness: RedisHarness
) -> None:
    dead_lettered, refused, unrecorded = harness.publish(3)
    harness.in_flight.take(await harness.read())
    for entry_id in (dead_lettered, refused):
        harness.record(entry_id, 1)
        harness.in_flight.left_pending(entry_id, recorded=True)
    # Its failure could not be recorded, so that the sweep cannot tell who settled it.
    harness.in_flight.left_pending(unrecorded, recorded=False)
    harness.server.acknowledge([parse_id(dead_lettered)])
    harness.server.attempts.pop(dead_lettered)
    await harness.pending_pass.sweep()
    ledger = harness.in_flight.ledger
    assert (ledger.read, ledger.taken_over, ledger.left_pending) == (3, 1, 2)
    assert list(harness.in_flight.refused) == [refused]


@pytest.mark.parametrize("own", [True, False])
async def test_suspects_are_tried_at_the_end_of_the_pass_one_by_one(
    clock: MockClock, harness: RedisHarness, *, own: bool
) -> None:
    ids = harness.publish(12) if own else await left_by_a_peer(harness, 12)
    if own:
        await harness.read()
    suspects = [ids[0], ids[7]]
    for entry_id in suspects:
        harness.suspect(entry_id)
    await trio.sleep(IDLE_S)
    waiting_before: list[int] = []
    harness.store.before_write = lambda: waiting_before.append(harness.inlets[0].entries)
    if own:
        # New entries do not wait for the trials.
        await harness.pending_pass.take_own()
        assert harness.store.writes == []
    await harness.pending_pass.claim()
    assert harness.store.writes == [("insert_new", 1), ("insert_new", 1)]
    # All other entries were admitted first.
    batches = harness.admitted()
    assert waiting_before == [len([*chain.from_iterable(batches)])] * 2
    assert sorted(chain.from_iterable(batches)) == sorted(set(ids) - set(suspects))


async def test_a_recorded_failure_outside_of_a_trial_clears_an_entry_of_suspicion(
    clock: MockClock, harness: RedisHarness
) -> None:
    [entry_id] = harness.publish(1)
    await harness.read()
    harness.suspect(entry_id)
    harness.record(entry_id, 1)
    await trio.sleep(IDLE_S)
    await harness.pending_pass.take_own()
    assert harness.admitted() == [[entry_id]]
    assert harness.store.writes == []


async def test_two_passes_at_once_take_no_entry_twice(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness
) -> None:
    ids = harness.publish(8)
    await harness.read()
    await trio.sleep(IDLE_S)
    async with trio.open_nursery() as passes:
        passes.start_soon(harness.pending_pass.take_own)
        passes.start_soon(harness.pending_pass.claim)
        await wait_all_tasks_blocked()
    assert harness.taken() == ids
    assert all(entry.deliveries == 2 for entry in harness.server.pending.values())


async def test_deliveries_that_were_lost_on_their_way_to_us_make_no_suspect(
    clock: MockClock, harness: RedisHarness
) -> None:
    [entry_id] = harness.publish(1)
    await harness.read()
    harness.stream.faults.after["redeliver"] += [harness.stream.unavailable()] * 10
    for _ in range(10):
        await trio.sleep(IDLE_S)
        with pytest.raises(RedisUnavailable):
            await harness.pending_pass.claim()
        await harness.stream.connect()
    assert harness.pending_entry(entry_id).deliveries == 11
    await trio.sleep(IDLE_S)
    await harness.pending_pass.claim()
    assert harness.taken() == [entry_id]


async def test_an_own_entry_that_does_not_come_even_alone_holds_nothing_up(
    clock: MockClock, harness: RedisHarness
) -> None:
    ids = harness.publish(4)
    await harness.read()
    fat, redeliver = ids[2], harness.stream.redeliver

    async def lose_the_fat_one(entry_ids: Sequence[str]) -> Redelivered:
        redelivered = await redeliver(entry_ids)
        if fat in entry_ids:
            raise harness.stream.unavailable("the server closed the connection")
        return redelivered

    harness.stream.redeliver = lose_the_fat_one  # type: ignore[method-assign]
    for _ in range(10):
        with suppress(RedisUnavailable):
            await harness.pending_pass.take_own()
            break
        await harness.stream.connect()
    assert harness.pending_pass.own_taken.is_set()
    assert sorted(harness.taken()) == [each for each in ids if each != fat]
    # It is not forgotten: once Redis can send it, a claim delivers it.
    harness.stream.redeliver = redeliver  # type: ignore[method-assign]
    await trio.sleep(IDLE_S)
    await harness.pending_pass.claim()
    assert harness.taken() == [fat]


async def test_the_next_pass_begins_with_what_the_last_one_claimed_and_could_not_read(
    clock: MockClock, harness: RedisHarness
) -> None:
    ids = harness.publish(7)
    await (await harness.peer()).read_new(7, 1)
    await trio.sleep(2 * IDLE_S)
    harness.stream.faults.before["redeliver"].append(harness.stream.unavailable())
    with pytest.raises(RedisUnavailable):
        await harness.pending_pass.claim()
    await harness.stream.connect()
    # The claimed entries are not idle any more.
    assert [harness.pending_entry(each).idle_ms for each in ids[:5]] == [0] * 5
    await harness.pending_pass.claim()
    assert harness.taken() == ids


async def test_suspects_that_an_interrupted_pass_has_not_tried_are_tried_in_the_next_one(
    clock: MockClock, harness: RedisHarness
) -> None:
    ids = harness.publish(3)
    await (await harness.peer()).read_new(3, 1)
    for entry_id in ids:
        harness.suspect(entry_id)
    await trio.sleep(2 * IDLE_S)
    harness.stream.faults.before["begin_trial"].append(harness.stream.unavailable())
    with pytest.raises(RedisUnavailable):
        await harness.pending_pass.claim()
    await harness.stream.connect()
    await harness.pending_pass.claim()
    tried = [receipt.batch.entry_ids for receipt in waiting(harness.receipts)]
    # The first one waits: its trial may have been recorded, and has to be taken back.
    assert tried == [[ids[1]], [ids[2]]]
    assert harness.sent_reports() == [TrialWithdrawn(ids[0])]
