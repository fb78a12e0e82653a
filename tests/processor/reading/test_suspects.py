"""Suspected poison entries: tried in isolation, after the trial was recorded; only the death of the process counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from processor.core.attempts import NO_ANSWER
from processor.core.write_errors import Evidence
from telemetry.chassis.errors import RedisUnavailable
from tests.support.batches import batch_of, position
from tests.support.fakes.redis import parse_id
from tests.support.redis_harness import ATTEMPTS_MAX, RedisHarness
from tests.support.stores import rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio.testing import MockClock

    from processor.edges.ports import Commit, Redelivered
    from processor.journal.journal import Journal
    from telemetry._codec import Batch
    from tests.processor.conftest import LogLines
    from tests.support.trial_harness import TrialHarness


class PanicError(BaseException):
    """Like a panic of the codec, it is no Exception."""


async def test_a_suspect_that_is_written_is_acknowledged_and_its_trial_forgotten(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness, logged: LogLines
) -> None:
    [entry_id] = await trials.suspects()
    await trials.run([entry_id])
    assert len(harness.store.table.rows) == 1
    assert len(harness.states) == 1
    assert not harness.server.pending
    assert not harness.server.attempts
    assert [line["entry_id"] for line in logged.fields("crash suspect is tried alone")] == [
        entry_id
    ]
    ledger = harness.in_flight.ledger
    assert (ledger.read, ledger.acked, harness.unaccounted) == (1, 1, 0)


async def test_a_trial_counts_like_any_other_read_and_write(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness, journal: Journal
) -> None:
    [good, known] = await trials.suspects(2)
    await trials.run([good])
    again = harness.server.add(harness.server.entries[parse_id(good)])
    await harness.read()
    await trials.run([again])
    harness.store.table.refused_devices[position(1, 0)["device_id"]] = "23514"
    await trials.run([known])
    bad = harness.add_malformed()
    await harness.read()
    await trials.run([bad])
    now = journal.snapshot()
    assert now.records_read == 4
    assert now.position_writes == {"inserted": 1, "duplicate": 1, "discarded": 0, "failed": 1}
    assert now.decode_errors["bad_json"] == 1
    assert now.acks == 2


async def test_the_trial_is_recorded_before_the_entry_is_delivered_decoded_and_written(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness
) -> None:
    [entry_id] = await trials.suspects()
    recorded: list[int] = []
    redeliver = harness.stream.redeliver

    async def note(entry_ids: Sequence[str]) -> Redelivered:
        recorded.append(harness.failures_of(entry_id))
        return await redeliver(entry_ids)

    harness.stream.redeliver = note  # type: ignore[method-assign]
    harness.store.before_write = lambda: recorded.append(harness.failures_of(entry_id))
    await trials.run([entry_id])
    assert recorded == [1, 1]


@pytest.mark.parametrize("sqlstate", ["25006", "40P01", "53100", "57P03"])
async def test_a_trial_that_the_infrastructure_fails_is_taken_back(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness, sqlstate: str
) -> None:
    [entry_id] = await trials.suspects()
    harness.record(entry_id, 1, NO_ANSWER)
    harness.store.failures.append(harness.store.error("gone", sqlstate=sqlstate))
    await trials.run([entry_id])
    assert harness.failures_of(entry_id) == 1
    assert (harness.in_flight.ledger.left_pending, len(harness.in_flight), harness.unaccounted) == (
        1,
        0,
        0,
    )


async def test_a_trial_that_ends_without_the_server_leaves_no_dependency_lost(
    clock: MockClock,
    harness: RedisHarness,
    trials: TrialHarness,
    journal: Journal,
    logged: LogLines,
) -> None:
    journal.dependency_ready("postgres")
    [entry_id] = await trials.suspects()
    begin = harness.store.insert_new

    async def vanish(batch: Batch) -> Commit:
        harness.store.table.reachable = False
        return await begin(batch)

    harness.store.insert_new = vanish  # type: ignore[method-assign]
    await trials.run([entry_id])
    assert logged.lines("batch failed")
    assert not harness.server.attempts
    # A peer may try the entry next: nothing here would report PostgreSQL as ready again.
    assert "postgres" not in journal.snapshot().unready


@pytest.mark.parametrize("sqlstate", [None, "57P01", "57014"])
async def test_a_trial_without_an_answer_is_repeated_behind_a_canary(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness, sqlstate: str | None
) -> None:
    [entry_id] = await trials.suspects()
    usable = sqlstate == "57014"
    harness.store.failures.append(harness.store.error("gone", sqlstate=sqlstate, usable=usable))
    await trials.run([entry_id])
    assert harness.store.canaries == 1
    assert harness.store.writes == [("insert_new", 1)] * 2
    assert (harness.in_flight.ledger.acked, harness.unaccounted) == (1, 0)
    assert not harness.server.attempts


async def test_a_suspect_that_ends_every_session_is_refused_on_its_first_trial(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness, logged: LogLines
) -> None:
    [entry_id] = await trials.suspects()
    harness.store.table.killers = {position(0, 0)["device_id"]}
    await trials.run([entry_id])
    # One try, and three directly after a canary.
    assert harness.store.writes == [("insert_new", 1)] * 4
    assert harness.failures_of(entry_id) == 1
    assert "no_answer" in harness.server.attempts[entry_id]
    assert logged.fields("record refused")[0]["sqlstate"] == "57P01"


async def test_the_dead_letter_of_a_row_that_ends_sessions_is_of_the_write(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness
) -> None:
    [entry_id] = await trials.suspects()
    harness.store.table.killers = {position(0, 0)["device_id"]}
    for _ in range(ATTEMPTS_MAX):
        await trials.run([entry_id])
    [letter] = harness.server.dead_letters
    assert (letter["dlq_stage"], letter["dlq_code"]) == ("write", "no_answer")
    assert letter["dlq_attempts"] == str(ATTEMPTS_MAX)


@pytest.mark.parametrize("sqlstate", ["23514", "P0001", "54000", "0A000", "42883"])
async def test_a_refusal_by_a_table_that_refuses_sound_rows_too_is_not_counted_and_is_logged(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness, logged: LogLines, sqlstate: str
) -> None:
    harness.store.table.rows.update(rows_of(batch_of([position(90, 0)])))
    [entry_id] = await trials.suspects()
    harness.store.table.refuses_all = sqlstate
    await trials.run([entry_id])
    assert harness.store.evidence == [Evidence.TABLE]
    assert [line["sqlstate"] for line in logged.fields("records left pending")] == [sqlstate]
    assert not harness.server.attempts
    assert (harness.in_flight.ledger.left_pending, harness.unaccounted) == (1, 0)


async def test_a_cancelled_trial_is_taken_back(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness
) -> None:
    [entry_id] = await trials.suspects()
    with trio.move_on_after(10) as scope:

        def stall() -> None:
            harness.store.table.answers = trio.Event()

        harness.store.before_write = stall
        await harness.suspect_trials.run([entry_id])
    assert scope.cancelled_caught
    assert harness.failures_of(entry_id) == 1
    await trials.settle()
    assert harness.failures_of(entry_id) == 0
    assert (harness.in_flight.ledger.left_pending, harness.unaccounted) == (1, 0)


async def test_a_trial_that_loses_redis_is_taken_back(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness
) -> None:
    [entry_id] = await trials.suspects()
    harness.stream.faults.before["redeliver"].append(harness.stream.unavailable())
    with pytest.raises(RedisUnavailable):
        await harness.suspect_trials.run([entry_id])
    assert harness.failures_of(entry_id) == 1
    await trials.settle()
    assert harness.failures_of(entry_id) == 0
    # It was never delivered, so that it is in no class.
    assert harness.unaccounted == 0


@pytest.mark.parametrize("place", ["prepare", "write"])
async def test_a_trial_in_which_the_process_dies_counts(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness, place: str
) -> None:
    [entry_id] = await trials.suspects()

    def die(*_: object) -> None:
        raise PanicError

    if place == "write":
        harness.store.before_write = die
    else:
        harness.suspect_trials._own.devices.prepare = die  # type: ignore[method-assign, assignment]
    with pytest.raises(PanicError):
        await harness.suspect_trials.run([entry_id])
    await trials.settle()
    assert harness.failures_of(entry_id) == 1
    assert NO_ANSWER in harness.server.attempts[entry_id]
    assert len(harness.server.pending) == 1


async def test_the_trial_after_the_last_is_a_dead_letter_of_the_crash(
    clock: MockClock,
    harness: RedisHarness,
    trials: TrialHarness,
    journal: Journal,
    logged: LogLines,
) -> None:
    [entry_id] = await trials.suspects()

    def die() -> None:
        raise PanicError

    harness.store.before_write = die
    for death in range(1, ATTEMPTS_MAX + 1):
        with pytest.raises(PanicError):
            await harness.suspect_trials.run([entry_id])
        assert harness.failures_of(entry_id) == death
        # The next process knows nothing of the trial.
        harness.in_flight._on_trial.clear()
    assert not harness.server.dead_letters
    await trials.run([entry_id])
    [letter] = harness.server.dead_letters
    assert (letter["dlq_stage"], letter["dlq_code"]) == ("crash", "no_answer")
    assert letter["dlq_attempts"] == str(ATTEMPTS_MAX)
    assert harness.store.writes == [("insert_new", 1)] * ATTEMPTS_MAX
    assert not harness.server.pending
    assert logged.fields("dead letter")[0]["stage"] == "crash"
    assert journal.snapshot().dead_letters["no_answer"] == 1
    assert harness.in_flight.ledger.dead_lettered == 1


async def test_a_refusal_in_a_trial_replaces_the_recorded_trial(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness, logged: LogLines
) -> None:
    harness.store.speed_max = 200
    [entry_id] = await trials.suspects(speed=250)
    await trials.run([entry_id])
    assert harness.failures_of(entry_id) == 1
    assert "refused_by_server" in harness.server.attempts[entry_id]
    assert logged.fields("record refused")[0]["sqlstate"] == "23514"
    assert harness.unaccounted == 0


async def test_a_suspect_that_is_no_position_is_refused_like_any_other(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness
) -> None:
    bad = harness.add_malformed()
    await harness.read()
    harness.suspect(bad)
    await trials.run([bad])
    assert harness.failures_of(bad) == 1
    assert "bad_json" in harness.server.attempts[bad]
    assert harness.store.writes == []


async def test_a_refusal_by_a_table_with_another_schema_is_not_counted(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness
) -> None:
    harness.store.speed_max = 0
    harness.store.table.differences = ("column tenant is NOT NULL",)
    [entry_id] = await trials.suspects()
    await trials.run([entry_id])
    assert not harness.server.attempts
    assert len(harness.server.pending) == 1


async def test_a_suspect_that_was_trimmed_is_lost_and_one_that_a_peer_has_is_left_to_it(
    clock: MockClock,
    harness: RedisHarness,
    trials: TrialHarness,
    journal: Journal,
    logged: LogLines,
) -> None:
    trimmed, taken = await trials.suspects(2)
    harness.server.delete(trimmed)
    harness.pending_entry(taken).lease("processor-2")
    await trials.run([trimmed, taken])
    assert journal.snapshot().entries_lost == 1
    assert logged.fields("entries lost")[0]["entry_ids"] == [trimmed]
    assert harness.pending_entry(taken).deliveries == 6
    assert not harness.server.attempts
    assert harness.unaccounted == 0


async def test_a_suspect_that_is_trimmed_in_its_trial_is_lost_and_in_no_other_class(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness
) -> None:
    [entry_id] = await trials.suspects()
    redeliver = harness.stream.redeliver

    async def trim(entry_ids: Sequence[str]) -> Redelivered:
        harness.server.delete(entry_id)
        return await redeliver(entry_ids)

    harness.stream.redeliver = trim  # type: ignore[method-assign]
    await trials.run([entry_id])
    ledger = harness.in_flight.ledger
    assert (ledger.read, ledger.lost, ledger.left_pending, harness.unaccounted) == (1, 1, 0, 0)
    assert not harness.server.attempts


async def test_each_suspect_is_tried_in_isolation(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness
) -> None:
    ids = await trials.suspects(3)
    recorded: list[int] = []
    harness.store.before_write = lambda: recorded.append(len(harness.server.attempts))
    await harness.suspect_trials.run(ids)
    assert [size for _, size in harness.store.writes] == [1, 1, 1]
