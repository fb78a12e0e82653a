"""Passes over pending entries: the own ones of a former life, and those that others have left idle."""

from __future__ import annotations

from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from processor.settling.failure_recorder import SurvivedTrial
from telemetry.chassis import clocks
from telemetry.chassis.errors import RedisUnavailable
from tests.support.fakes.redis import parse_id
from tests.support.redis_harness import IDLE_MS, attempts_json, waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio.testing import MockClock

    from processor.edges.ports import Redelivered
    from processor.journal.statistics import Recorder
    from tests.processor.conftest import Told
    from tests.support.redis_harness import RedisHarness

IDLE_S = IDLE_MS / 1000


async def left_by_a_peer(desk: RedisHarness, records: int, *, first_second: int = 0) -> list[str]:
    """Entries that another consumer has read, and keeps."""
    ids = desk.publish(records, first_second=first_second)
    await (await desk.peer()).read_new(records, 1)
    return ids


async def test_a_pass_takes_every_own_entry_page_by_page(
    clock: MockClock, desk: RedisHarness
) -> None:
    ids = desk.publish(12)
    await desk.read()
    await desk.redelivering.take_own()
    assert desk.handed_over() == [ids[:5], ids[5:10], ids[10:]]
    assert all(entry.deliveries == 2 for entry in desk.world.pending.values())


async def test_what_is_in_flight_is_never_taken_again(
    clock: MockClock, desk: RedisHarness, recorder: Recorder
) -> None:
    held = desk.publish(3)
    await desk.intake.admit(await desk.read(), redelivered=False)
    desk.handed_over()
    swallowed = desk.publish(2, first_second=100)
    await desk.read()
    await desk.redelivering.take_own()
    assert desk.handed_over() == [swallowed]
    # Not even when its lease was not renewed in time.
    await trio.sleep(IDLE_S)
    await desk.redelivering.claim()
    assert desk.handed_over() == []
    assert [desk.pending_entry(entry_id).deliveries for entry_id in held] == [1, 1, 1]
    assert desk.in_flight.ledger.read == 5


async def test_a_young_failure_is_left_at_the_start_and_taken_when_it_is_claimed(
    clock: MockClock, desk: RedisHarness
) -> None:
    young, old = desk.publish(2)
    await desk.read()
    desk.record(old, 1)
    await trio.sleep(IDLE_S)
    desk.record(young, 1)
    await desk.redelivering.take_own()
    assert desk.handed_over() == [[old]]
    # Its last failure is as young as before; but it was idle for long enough to be claimed.
    await desk.redelivering.claim()
    assert desk.handed_over() == [[young]]


async def test_a_failure_that_a_peers_fast_clock_dates_in_the_future_is_taken_when_it_is_claimed(
    clock: MockClock, desk: RedisHarness
) -> None:
    [entry_id] = await left_by_a_peer(desk, 1)
    ahead_ms = clocks.unix_ms() + 10 * IDLE_MS
    desk.world.attempts[entry_id] = attempts_json(1, ahead_ms, "bad_json")
    await trio.sleep(IDLE_S)
    await desk.redelivering.claim()
    assert desk.handed_over() == [[entry_id]]


async def test_failures_of_what_is_taken_are_known_when_it_is_acknowledged(
    clock: MockClock, desk: RedisHarness
) -> None:
    failed, _ = await left_by_a_peer(desk, 2)
    desk.record(failed, 1)
    await trio.sleep(IDLE_S)
    await desk.redelivering.claim()
    batch = desk.outlets[0].receive_nowait()
    assert desk.in_flight.attempted(batch) == [failed]


async def test_only_what_was_idle_for_long_enough_is_claimed(
    clock: MockClock, desk: RedisHarness, recorder: Recorder, told: Told
) -> None:
    old = await left_by_a_peer(desk, 3)
    await trio.sleep(IDLE_S - 1)
    await left_by_a_peer(desk, 2, first_second=100)
    await desk.redelivering.claim()
    assert desk.handed_over() == []
    await trio.sleep(1)
    await desk.redelivering.claim()
    assert desk.handed_over() == [old]
    assert recorder.snapshot().entries_claimed == 3
    assert told.fields("batch consumed")[0]["redelivered"] is True
    assert {desk.pending_entry(entry_id).owner for entry_id in old} == {"processor-1"}


async def test_a_pass_reaches_a_stuck_tail_behind_many_fresh_entries(
    clock: MockClock, desk: RedisHarness
) -> None:
    fresh = await left_by_a_peer(desk, 200)
    tail = await left_by_a_peer(desk, 3, first_second=1_000)
    # The peer renews what it has in flight, but for the last three.
    await trio.sleep(IDLE_S)
    await (await desk.peer()).renew(fresh)
    await desk.redelivering.claim()
    assert desk.handed_over() == [tail]


async def test_a_pass_goes_on_where_its_last_step_ended_and_ends_once_around(
    clock: MockClock, desk: RedisHarness
) -> None:
    ids = await left_by_a_peer(desk, 12)
    cursors: list[str] = []
    claim = desk.stream.claim

    async def note(cursor: str, count: int, *, idle_ms: int) -> object:
        cursors.append(cursor)
        return await claim(cursor, count, idle_ms=idle_ms)

    desk.stream.claim = note  # type: ignore[assignment, method-assign]
    await trio.sleep(IDLE_S)
    await desk.redelivering.claim()
    assert cursors == ["0-0", ids[5], ids[10]]
    assert desk.taken() == ids


async def test_a_pass_that_fails_is_begun_anew_and_nothing_is_taken_twice(
    clock: MockClock, desk: RedisHarness
) -> None:
    ids = await left_by_a_peer(desk, 12)
    await trio.sleep(IDLE_S)
    failures = iter([None, desk.stream.unavailable()])

    async def fail_the_second_step(call: str, moment: object) -> None:
        await trio.lowlevel.checkpoint()
        if call == "claim" and "BEFORE" in str(moment) and (error := next(failures, None)):
            raise error

    desk.stream.faults.intercept = fail_the_second_step
    with pytest.raises(RedisUnavailable):
        await desk.redelivering.claim()
    await desk.stream.connect()
    await desk.redelivering.claim()
    assert desk.taken() == ids
    assert desk.in_flight.ledger.read == 12


async def test_lost_entries_are_counted_once_and_told_with_their_ids(
    clock: MockClock, desk: RedisHarness, recorder: Recorder, told: Told
) -> None:
    ids = await left_by_a_peer(desk, 4)
    for entry_id in ids[:2]:
        desk.world.delete(entry_id)
    await trio.sleep(IDLE_S)
    await desk.redelivering.claim()
    await desk.redelivering.claim()
    assert desk.handed_over() == [ids[2:]]
    assert recorder.snapshot().entries_lost == desk.in_flight.ledger.lost == 2
    assert [line["entry_ids"] for line in told.fields("entries lost")] == [ids[:2]]
    assert desk.unaccounted == 0


async def test_own_entries_that_are_lost_are_counted_and_told_too(
    clock: MockClock, desk: RedisHarness, recorder: Recorder, told: Told
) -> None:
    ids = desk.publish(4)
    await desk.read()
    for entry_id in ids[:3]:
        desk.world.delete(entry_id)
    await desk.redelivering.take_own()
    assert desk.handed_over() == [ids[3:]]
    assert recorder.snapshot().entries_lost == 3
    assert [line["entry_ids"] for line in told.fields("entries lost")] == [ids[:3]]
    assert len(desk.world.pending) == 1


async def test_what_we_refused_and_a_peer_has_buried_is_theirs_after_a_sweep(
    clock: MockClock, desk: RedisHarness
) -> None:
    buried, refused, untold = desk.publish(3)
    desk.in_flight.take(await desk.read())
    for entry_id in (buried, refused):
        desk.record(entry_id, 1)
        desk.in_flight.left(entry_id, recorded=True)
    # Its failure could not be recorded: nothing is known of it.
    desk.in_flight.left(untold, recorded=False)
    desk.world.acknowledge([parse_id(buried)])
    desk.world.attempts.pop(buried)
    await desk.redelivering.sweep()
    ledger = desk.in_flight.ledger
    assert (ledger.read, ledger.taken_over, ledger.left_pending) == (3, 1, 2)
    assert list(desk.in_flight.refused) == [refused]


@pytest.mark.parametrize("own", [True, False])
async def test_suspects_are_tried_at_the_end_of_the_pass_one_by_one(
    clock: MockClock, desk: RedisHarness, *, own: bool
) -> None:
    ids = desk.publish(12) if own else await left_by_a_peer(desk, 12)
    if own:
        await desk.read()
    suspects = [ids[0], ids[7]]
    for entry_id in suspects:
        desk.suspect(entry_id)
    await trio.sleep(IDLE_S)
    waiting_before: list[int] = []
    desk.store.before_write = lambda: waiting_before.append(
        desk.outlets[0].statistics().current_buffer_used
    )
    if own:
        # What is new does not wait for the trials.
        await desk.redelivering.take_own()
        assert desk.store.writes == []
    await desk.redelivering.claim()
    assert desk.store.writes == [("staged", 1), ("staged", 1)]
    # Everything else was handed over first.
    batches = desk.handed_over()
    assert waiting_before == [len(batches)] * 2
    assert sorted(chain.from_iterable(batches)) == sorted(set(ids) - set(suspects))


async def test_a_recorded_failure_that_is_no_trials_clears_an_entry_of_suspicion(
    clock: MockClock, desk: RedisHarness
) -> None:
    [entry_id] = desk.publish(1)
    await desk.read()
    desk.suspect(entry_id)
    desk.record(entry_id, 1)
    await trio.sleep(IDLE_S)
    await desk.redelivering.take_own()
    assert desk.handed_over() == [[entry_id]]
    assert desk.store.writes == []


async def test_two_passes_at_once_take_no_entry_twice(
    clock: MockClock, nursery: trio.Nursery, desk: RedisHarness
) -> None:
    ids = desk.publish(8)
    await desk.read()
    await trio.sleep(IDLE_S)
    async with trio.open_nursery() as passes:
        passes.start_soon(desk.redelivering.take_own)
        passes.start_soon(desk.redelivering.claim)
        await wait_all_tasks_blocked()
    assert desk.taken() == ids
    assert all(entry.deliveries == 2 for entry in desk.world.pending.values())


async def test_deliveries_that_were_lost_on_their_way_to_us_make_no_suspect(
    clock: MockClock, desk: RedisHarness
) -> None:
    [entry_id] = desk.publish(1)
    await desk.read()
    desk.stream.faults.after["redeliver"] += [desk.stream.unavailable()] * 10
    for _ in range(10):
        await trio.sleep(IDLE_S)
        with pytest.raises(RedisUnavailable):
            await desk.redelivering.claim()
        await desk.stream.connect()
    assert desk.pending_entry(entry_id).deliveries == 11
    await trio.sleep(IDLE_S)
    await desk.redelivering.claim()
    assert desk.taken() == [entry_id]


async def test_an_own_entry_that_does_not_come_even_alone_holds_nothing_up(
    clock: MockClock, desk: RedisHarness
) -> None:
    ids = desk.publish(4)
    await desk.read()
    fat, redeliver = ids[2], desk.stream.redeliver

    async def lose_the_fat_one(entry_ids: Sequence[str]) -> Redelivered:
        redelivered = await redeliver(entry_ids)
        if fat in entry_ids:
            raise desk.stream.unavailable("the server closed the connection")
        return redelivered

    desk.stream.redeliver = lose_the_fat_one  # type: ignore[method-assign]
    for _ in range(10):
        with suppress(RedisUnavailable):
            await desk.redelivering.take_own()
            break
        await desk.stream.connect()
    assert desk.redelivering.own_taken.is_set()
    assert sorted(desk.taken()) == [each for each in ids if each != fat]
    # It is not forgotten: once Redis sends it, whoever claims it has it.
    desk.stream.redeliver = redeliver  # type: ignore[method-assign]
    await trio.sleep(IDLE_S)
    await desk.redelivering.claim()
    assert desk.taken() == [fat]


async def test_what_a_pass_claimed_and_could_not_read_is_the_next_ones_first(
    clock: MockClock, desk: RedisHarness
) -> None:
    ids = desk.publish(7)
    await (await desk.peer()).read_new(7, 1)
    await trio.sleep(2 * IDLE_S)
    desk.stream.faults.before["redeliver"].append(desk.stream.unavailable())
    with pytest.raises(RedisUnavailable):
        await desk.redelivering.claim()
    await desk.stream.connect()
    # What was claimed is not idle any more.
    assert [desk.pending_entry(each).idle_ms for each in ids[:5]] == [0] * 5
    await desk.redelivering.claim()
    assert desk.taken() == ids


async def test_suspects_that_an_interrupted_pass_has_not_tried_are_tried_in_the_next_one(
    clock: MockClock, desk: RedisHarness
) -> None:
    ids = desk.publish(3)
    await (await desk.peer()).read_new(3, 1)
    for entry_id in ids:
        desk.suspect(entry_id)
    await trio.sleep(2 * IDLE_S)
    desk.stream.faults.before["begin_trial"].append(desk.stream.unavailable())
    with pytest.raises(RedisUnavailable):
        await desk.redelivering.claim()
    await desk.stream.connect()
    await desk.redelivering.claim()
    tried = [receipt.batch.entry_ids for receipt in waiting(desk.receipts)]
    # The interrupted one waits until its trial is taken back, which it may have been recorded as.
    assert tried == [[ids[1]], [ids[2]]]
    assert desk.sent_failures() == [SurvivedTrial(ids[0])]
