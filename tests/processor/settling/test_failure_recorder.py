from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from processor.core.attempts import NO_ANSWER, REFUSED_BY_SERVER, Failure, FailureStage
from processor.settling.failure_recorder import FailureRecorder, SurvivedTrial, Verdicts
from telemetry.chassis import clocks
from tests.support.fakes.redis import parse_id
from tests.support.redis_harness import ATTEMPTS_MAX, CAPACITY, RedisHarness

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.journal.statistics import Recorder
    from tests.processor.conftest import Told


class FailureDesk:
    """Records failures of what a desk has in flight."""

    def __init__(self, desk: RedisHarness) -> None:
        self.desk = desk

    async def take(self, records: int = 1) -> list[str]:
        """Publish records and take them in flight."""
        ids = self.desk.publish(records)
        self.desk.in_flight.take(await self.desk.read())
        return ids

    async def record(self, *failures: Verdicts) -> None:
        """Record these, until they end."""
        desk = self.desk
        send, outlet = trio.open_memory_channel[Verdicts](CAPACITY)
        for each in failures:
            send.send_nowait(each)
        send.close()
        await FailureRecorder(
            desk.redis, outlet, attempts_max=ATTEMPTS_MAX, in_flight=desk.in_flight
        ).run()


@pytest.fixture
def failing(desk: RedisHarness) -> FailureDesk:
    return FailureDesk(desk)


def failure_of(entry_id: str, *, on_trial: bool = False) -> Failure:
    return Failure(
        entry_id,
        clocks.unix_ms(),
        FailureStage.WRITE,
        REFUSED_BY_SERVER,
        "fake:5432: too fast",
        sqlstate="23514",
        on_trial=on_trial,
    )


async def test_a_failed_record_stays_pending_and_is_no_longer_in_flight(
    clock: MockClock, desk: RedisHarness, failing: FailureDesk
) -> None:
    refused, other = await failing.take(2)
    await failing.record([failure_of(refused)])
    assert desk.failures_of(refused) == 1
    assert desk.in_flight.absent([refused, other]) == [refused]
    assert len(desk.world.pending) == 2
    assert desk.in_flight.ledger.left_pending == 1
    assert desk.unaccounted == 0


async def test_the_first_failure_is_a_warning_the_last_an_error_and_those_between_are_not_told(
    clock: MockClock, desk: RedisHarness, failing: FailureDesk, recorder: Recorder, told: Told
) -> None:
    [entry_id] = await failing.take()
    lines: list[tuple[int, int]] = []
    for _ in range(ATTEMPTS_MAX):
        await trio.sleep(60)
        await failing.record([failure_of(entry_id)])
        lines.append((len(told.lines("record refused")), len(told.lines("dead letter"))))
    assert lines == [(1, 0), (1, 0), (1, 1)]
    [warning] = told.fields("record refused")
    assert (warning["entry_id"], warning["code"], warning["sqlstate"]) == (
        entry_id,
        "refused_by_server",
        "23514",
    )
    [error] = told.fields("dead letter")
    assert (error["entry_id"], error["attempts"], error["stage"]) == (entry_id, 3, "write")
    assert recorder.snapshot().dead_letters["refused_by_server"] == 1


async def test_the_last_failure_takes_the_entry_off_the_pending_list_into_the_dead_letters(
    clock: MockClock, desk: RedisHarness, failing: FailureDesk
) -> None:
    [entry_id] = await failing.take()
    desk.record(entry_id, ATTEMPTS_MAX - 1)
    await failing.record([failure_of(entry_id)])
    [letter] = desk.world.dead_letters
    assert (letter["dlq_source_id"], letter["dlq_attempts"]) == (entry_id, "3")
    assert not desk.world.pending
    assert not desk.world.attempts
    ledger = desk.in_flight.ledger
    assert (ledger.read, ledger.dead_lettered, ledger.unaccounted) == (1, 1, 0)
    assert len(desk.in_flight) == 0


async def test_a_recording_that_never_reached_redis_is_repeated_until_it_is_answered(
    clock: MockClock, desk: RedisHarness, failing: FailureDesk, told: Told
) -> None:
    [entry_id] = await failing.take()
    before = desk.stream.faults.before["record_failures"]
    before += [desk.stream.unavailable()] * 5
    await failing.record([failure_of(entry_id)])
    assert desk.failures_of(entry_id) == 1
    assert len(desk.in_flight) == 0
    assert len(told.lines("recording a failure failed and is repeated")) == 5


async def test_what_redis_refuses_to_record_stays_pending_and_holds_up_nothing(
    clock: MockClock, desk: RedisHarness, failing: FailureDesk, told: Told
) -> None:
    ids = await failing.take(2)
    desk.stream.faults.before["record_failures"].append(desk.stream.refused("WRONGTYPE", "a list"))
    await failing.record([failure_of(ids[0])], [failure_of(ids[1])])
    assert [desk.failures_of(entry_id) for entry_id in ids] == [0, 1]
    assert len(desk.world.pending) == 2
    assert len(desk.in_flight) == 0
    [line] = told.fields("failures not recorded")
    assert line["n"] == 1


async def test_while_redis_is_away_a_failed_record_stays_in_flight(
    clock: MockClock, nursery: trio.Nursery, desk: RedisHarness, failing: FailureDesk
) -> None:
    ids = await failing.take()
    desk.world.go_away()

    async def mend() -> None:
        await trio.sleep(600)
        assert desk.in_flight.absent(ids) == []
        desk.world.come_back()

    nursery.start_soon(mend)
    await failing.record([failure_of(ids[0])])
    assert desk.in_flight.absent(ids) == ids


async def test_a_recording_whose_answer_was_lost_leaves_one_dead_letter(
    clock: MockClock, desk: RedisHarness, failing: FailureDesk
) -> None:
    [entry_id] = await failing.take()
    desk.record(entry_id, ATTEMPTS_MAX - 1)
    desk.stream.faults.after["record_failures"].append(desk.stream.unavailable())
    await failing.record([failure_of(entry_id)])
    assert len(desk.world.dead_letters) == 1
    assert not desk.world.pending
    assert (len(desk.in_flight), desk.unaccounted) == (0, 0)


async def test_an_entry_that_a_peer_has_settled_meanwhile_is_let_go_of_and_nothing_is_recorded(
    clock: MockClock, desk: RedisHarness, failing: FailureDesk, told: Told
) -> None:
    [entry_id] = await failing.take()
    desk.world.acknowledge([parse_id(entry_id)])
    await failing.record([failure_of(entry_id)])
    assert not desk.world.attempts
    assert not told.lines("record refused")
    assert (desk.in_flight.ledger.taken_over, desk.unaccounted) == (1, 0)


async def test_an_entry_that_was_trimmed_meanwhile_is_lost_and_no_dead_letter(
    clock: MockClock, desk: RedisHarness, failing: FailureDesk, recorder: Recorder, told: Told
) -> None:
    [entry_id] = await failing.take()
    desk.world.delete(entry_id)
    await failing.record([failure_of(entry_id)])
    assert not desk.world.dead_letters
    assert recorder.snapshot().entries_lost == desk.in_flight.ledger.lost == 1
    assert told.fields("entries lost")[0]["entry_ids"] == [entry_id]
    assert (len(desk.in_flight), desk.unaccounted) == (0, 0)


async def test_failures_that_came_together_are_answered_one_by_one(
    clock: MockClock, desk: RedisHarness, failing: FailureDesk
) -> None:
    first, last, gone = await failing.take(3)
    desk.record(last, ATTEMPTS_MAX - 1)
    desk.world.acknowledge([parse_id(gone)])
    await failing.record([failure_of(each) for each in (first, last, gone)])
    ledger = desk.in_flight.ledger
    assert (ledger.left_pending, ledger.dead_lettered, ledger.taken_over) == (1, 1, 1)
    assert ledger.unaccounted == 0


async def test_a_survived_trial_is_taken_back_until_redis_answers(
    clock: MockClock, desk: RedisHarness, failing: FailureDesk
) -> None:
    [entry_id] = await failing.take()
    desk.record(entry_id, 1, NO_ANSWER)
    desk.stream.faults.before["end_trial"] += [desk.stream.unavailable()] * 2
    await failing.record(SurvivedTrial(entry_id))
    assert desk.failures_of(entry_id) == 0
    assert (desk.in_flight.ledger.left_pending, len(desk.in_flight)) == (1, 0)


async def test_the_failure_of_a_trial_counts_once_together_with_the_trial(
    clock: MockClock, desk: RedisHarness, failing: FailureDesk, told: Told
) -> None:
    [entry_id] = await failing.take()
    desk.record(entry_id, 1, NO_ANSWER)
    await failing.record([failure_of(entry_id, on_trial=True)])
    assert desk.failures_of(entry_id) == 1
    assert "refused_by_server" in desk.world.attempts[entry_id]
    assert len(told.lines("record refused")) == 1


async def test_a_cancelled_recorder_leaves_the_rest_pending_without_a_record(
    clock: MockClock, desk: RedisHarness, failing: FailureDesk
) -> None:
    [entry_id] = await failing.take()
    desk.world.answers = trio.Event()
    with trio.move_on_after(10) as scope:
        await failing.record([failure_of(entry_id)])
    assert scope.cancelled_caught
    assert desk.failures_of(entry_id) == 0
    assert len(desk.world.pending) == len(desk.in_flight) == 1
