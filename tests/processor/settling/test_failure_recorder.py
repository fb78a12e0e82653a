from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from processor.core.attempts import NO_ANSWER, REFUSED_BY_SERVER, Failure, FailureStage
from processor.settling.failure_recorder import FailureRecorder, FailureReport, TrialWithdrawn
from telemetry.chassis import clocks
from tests.support.fakes.redis import parse_id
from tests.support.redis_harness import ATTEMPTS_MAX, CAPACITY, RedisHarness

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.journal.journal import Journal
    from tests.processor.conftest import LogLines


class RecorderHarness:
    """Records failures of what a harness has in flight."""

    def __init__(self, harness: RedisHarness) -> None:
        self.harness = harness

    async def take(self, records: int = 1) -> list[str]:
        """Publish records and take them in flight."""
        ids = self.harness.publish(records)
        self.harness.in_flight.take(await self.harness.read())
        return ids

    async def record(self, *failures: FailureReport) -> None:
        """Record these, until they end."""
        harness = self.harness
        send, outlet = trio.open_memory_channel[FailureReport](CAPACITY)
        for each in failures:
            send.send_nowait(each)
        send.close()
        await FailureRecorder(
            harness.redis,
            outlet,
            attempts_max=ATTEMPTS_MAX,
            in_flight=harness.in_flight,
            journal=harness.journal,
        ).run()


@pytest.fixture
def recorder(harness: RedisHarness) -> RecorderHarness:
    return RecorderHarness(harness)


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
    clock: MockClock, harness: RedisHarness, recorder: RecorderHarness
) -> None:
    refused, other = await recorder.take(2)
    await recorder.record([failure_of(refused)])
    assert harness.failures_of(refused) == 1
    assert harness.in_flight.absent([refused, other]) == [refused]
    assert len(harness.server.pending) == 2
    assert harness.in_flight.ledger.left_pending == 1
    assert harness.unaccounted == 0


async def test_the_first_failure_is_a_warning_the_last_an_error_and_those_between_are_not_logged(
    clock: MockClock,
    harness: RedisHarness,
    recorder: RecorderHarness,
    journal: Journal,
    logged: LogLines,
) -> None:
    [entry_id] = await recorder.take()
    lines: list[tuple[int, int]] = []
    for _ in range(ATTEMPTS_MAX):
        await trio.sleep(60)
        await recorder.record([failure_of(entry_id)])
        lines.append((len(logged.lines("record refused")), len(logged.lines("dead letter"))))
    assert lines == [(1, 0), (1, 0), (1, 1)]
    [warning] = logged.fields("record refused")
    assert (warning["entry_id"], warning["code"], warning["sqlstate"]) == (
        entry_id,
        "refused_by_server",
        "23514",
    )
    [error] = logged.fields("dead letter")
    assert (error["entry_id"], error["attempts"], error["stage"]) == (entry_id, 3, "write")
    assert journal.snapshot().dead_letters["refused_by_server"] == 1


async def test_the_last_failure_takes_the_entry_off_the_pending_list_into_the_dead_letters(
    clock: MockClock, harness: RedisHarness, recorder: RecorderHarness
) -> None:
    [entry_id] = await recorder.take()
    harness.record(entry_id, ATTEMPTS_MAX - 1)
    await recorder.record([failure_of(entry_id)])
    [letter] = harness.server.dead_letters
    assert (letter["dlq_source_id"], letter["dlq_attempts"]) == (entry_id, "3")
    assert not harness.server.pending
    assert not harness.server.attempts
    ledger = harness.in_flight.ledger
    assert (ledger.read, ledger.dead_lettered, ledger.unaccounted) == (1, 1, 0)
    assert len(harness.in_flight) == 0


async def test_a_recording_that_never_reached_redis_is_repeated_until_it_is_answered(
    clock: MockClock, harness: RedisHarness, recorder: RecorderHarness, logged: LogLines
) -> None:
    [entry_id] = await recorder.take()
    before = harness.stream.faults.before["record_failures"]
    before += [harness.stream.unavailable()] * 5
    await recorder.record([failure_of(entry_id)])
    assert harness.failures_of(entry_id) == 1
    assert len(harness.in_flight) == 0
    assert len(logged.lines("recording a failure failed and is repeated")) == 5


async def test_what_redis_refuses_to_record_stays_pending_and_holds_up_nothing(
    clock: MockClock, harness: RedisHarness, recorder: RecorderHarness, logged: LogLines
) -> None:
    ids = await recorder.take(2)
    harness.stream.faults.before["record_failures"].append(
        harness.stream.refused("WRONGTYPE", "a list")
    )
    await recorder.record([failure_of(ids[0])], [failure_of(ids[1])])
    assert [harness.failures_of(entry_id) for entry_id in ids] == [0, 1]
    assert len(harness.server.pending) == 2
    assert len(harness.in_flight) == 0
    [line] = logged.fields("failures not recorded")
    assert line["n"] == 1


async def test_while_redis_is_away_a_failed_record_stays_in_flight(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, recorder: RecorderHarness
) -> None:
    ids = await recorder.take()
    harness.server.go_away()

    async def mend() -> None:
        await trio.sleep(600)
        assert harness.in_flight.absent(ids) == []
        harness.server.come_back()

    nursery.start_soon(mend)
    await recorder.record([failure_of(ids[0])])
    assert harness.in_flight.absent(ids) == ids


async def test_a_recording_whose_answer_was_lost_leaves_one_dead_letter(
    clock: MockClock, harness: RedisHarness, recorder: RecorderHarness
) -> None:
    [entry_id] = await recorder.take()
    harness.record(entry_id, ATTEMPTS_MAX - 1)
    harness.stream.faults.after["record_failures"].append(harness.stream.unavailable())
    await recorder.record([failure_of(entry_id)])
    assert len(harness.server.dead_letters) == 1
    assert not harness.server.pending
    assert (len(harness.in_flight), harness.unaccounted) == (0, 0)


async def test_an_entry_that_a_peer_has_settled_meanwhile_is_let_go_of_and_nothing_is_recorded(
    clock: MockClock, harness: RedisHarness, recorder: RecorderHarness, logged: LogLines
) -> None:
    [entry_id] = await recorder.take()
    harness.server.acknowledge([parse_id(entry_id)])
    await recorder.record([failure_of(entry_id)])
    assert not harness.server.attempts
    assert not logged.lines("record refused")
    assert (harness.in_flight.ledger.taken_over, harness.unaccounted) == (1, 0)


async def test_an_entry_that_was_trimmed_meanwhile_is_lost_and_no_dead_letter(
    clock: MockClock,
    harness: RedisHarness,
    recorder: RecorderHarness,
    journal: Journal,
    logged: LogLines,
) -> None:
    [entry_id] = await recorder.take()
    harness.server.delete(entry_id)
    await recorder.record([failure_of(entry_id)])
    assert not harness.server.dead_letters
    assert journal.snapshot().entries_lost == harness.in_flight.ledger.lost == 1
    assert logged.fields("entries lost")[0]["entry_ids"] == [entry_id]
    assert (len(harness.in_flight), harness.unaccounted) == (0, 0)


async def test_failures_that_came_together_are_answered_one_by_one(
    clock: MockClock, harness: RedisHarness, recorder: RecorderHarness
) -> None:
    first, last, gone = await recorder.take(3)
    harness.record(last, ATTEMPTS_MAX - 1)
    harness.server.acknowledge([parse_id(gone)])
    await recorder.record([failure_of(each) for each in (first, last, gone)])
    ledger = harness.in_flight.ledger
    assert (ledger.left_pending, ledger.dead_lettered, ledger.taken_over) == (1, 1, 1)
    assert ledger.unaccounted == 0


async def test_a_survived_trial_is_taken_back_until_redis_answers(
    clock: MockClock, harness: RedisHarness, recorder: RecorderHarness
) -> None:
    [entry_id] = await recorder.take()
    harness.record(entry_id, 1, NO_ANSWER)
    harness.stream.faults.before["end_trial"] += [harness.stream.unavailable()] * 2
    await recorder.record(TrialWithdrawn(entry_id))
    assert harness.failures_of(entry_id) == 0
    assert (harness.in_flight.ledger.left_pending, len(harness.in_flight)) == (1, 0)


async def test_the_failure_of_a_trial_counts_once_together_with_the_trial(
    clock: MockClock, harness: RedisHarness, recorder: RecorderHarness, logged: LogLines
) -> None:
    [entry_id] = await recorder.take()
    harness.record(entry_id, 1, NO_ANSWER)
    await recorder.record([failure_of(entry_id, on_trial=True)])
    assert harness.failures_of(entry_id) == 1
    assert "refused_by_server" in harness.server.attempts[entry_id]
    assert len(logged.lines("record refused")) == 1


async def test_a_cancelled_recorder_leaves_the_rest_pending_without_a_record(
    clock: MockClock, harness: RedisHarness, recorder: RecorderHarness
) -> None:
    [entry_id] = await recorder.take()
    harness.server.answers = trio.Event()
    with trio.move_on_after(10) as scope:
        await recorder.record([failure_of(entry_id)])
    assert scope.cancelled_caught
    assert harness.failures_of(entry_id) == 0
    assert len(harness.server.pending) == len(harness.in_flight) == 1
