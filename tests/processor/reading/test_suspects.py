"""Crash suspects: tried alone, after it was recorded that they are; only the death of the process counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from processor.core.attempts import NO_ANSWER
from processor.core.evidence import Evidence
from processor.settling.acker import Acker
from processor.settling.failure_recorder import FailureRecorder
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
    from tests.processor.conftest import Told


class TrialDesk:
    """Trials of what this consumer has been delivered, and the stages that hear of their outcomes."""

    def __init__(self, harness: RedisHarness) -> None:
        self.harness = harness

    async def suspects(self, records: int = 1, *, speed: int = 63) -> list[str]:
        harness = self.harness
        ids = [harness.add(position(number, 0, speed=speed)) for number in range(records)]
        await harness.read()
        for entry_id in ids:
            harness.suspect(entry_id)
        return ids

    async def run(self, suspects: Sequence[str]) -> None:
        """Try them, and let the stages run dry."""
        await self.harness.trials.run(suspects)
        await self.settle()

    async def settle(self) -> None:
        """Let the stages do what they were given."""
        harness = self.harness
        recorder = FailureRecorder(
            harness.redis,
            harness.failures.clone(),
            attempts_max=ATTEMPTS_MAX,
            in_flight=harness.in_flight,
            journal=harness.journal,
        )
        async with trio.open_nursery() as stages:
            stages.start_soon(
                Acker(harness.redis, harness.receipts.clone(), in_flight=harness.in_flight).run
            )
            stages.start_soon(recorder.run)
            await wait_all_tasks_blocked()
            stages.cancel_scope.cancel()


class PanicError(BaseException):
    """As a panic of the codec comes out: no Exception."""


@pytest.fixture
def trials(harness: RedisHarness) -> TrialDesk:
    return TrialDesk(harness)


async def test_a_suspect_that_is_written_is_acknowledged_and_its_trial_forgotten(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk, told: Told
) -> None:
    [entry_id] = await trials.suspects()
    await trials.run([entry_id])
    assert len(harness.store.table.rows) == 1
    assert len(harness.states) == 1
    assert not harness.server.pending
    assert not harness.server.attempts
    assert [line["entry_id"] for line in told.fields("crash suspect is tried alone")] == [entry_id]
    ledger = harness.in_flight.ledger
    assert (ledger.read, ledger.acked, harness.unaccounted) == (1, 1, 0)


async def test_a_trial_counts_like_any_other_read_and_write(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk, journal: Journal
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
    clock: MockClock, harness: RedisHarness, trials: TrialDesk
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


async def test_nothing_is_tried_while_postgres_does_not_answer(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk
) -> None:
    ids = await trials.suspects(3)
    harness.store.table.reachable = False
    await trials.run(ids)
    assert not harness.server.attempts
    assert all(entry.deliveries == 6 for entry in harness.server.pending.values())


async def test_the_rest_is_left_to_a_later_pass_when_postgres_goes_meanwhile(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk
) -> None:
    ids = await trials.suspects(3)

    def leave() -> None:
        harness.store.table.reachable = False

    harness.store.before_write = leave
    await trials.run(ids)
    assert harness.store.writes == [("staged", 1)]
    assert not harness.server.attempts
    assert len(harness.server.pending) == 3
    assert harness.unaccounted == 0


@pytest.mark.parametrize("sqlstate", ["25006", "40P01", "53100", "57P03"])
async def test_a_trial_that_the_infrastructure_fails_is_taken_back(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk, sqlstate: str
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


async def test_a_trial_that_a_server_outlasts_leaves_nothing_against_it(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk, journal: Journal, told: Told
) -> None:
    journal.dependency_ready("postgres")
    [entry_id] = await trials.suspects()
    begin = harness.store.copy_staged

    async def vanish(batch: Batch) -> Commit:
        harness.store.table.reachable = False
        return await begin(batch)

    harness.store.copy_staged = vanish  # type: ignore[method-assign]
    await trials.run([entry_id])
    assert told.lines("batch failed")
    assert not harness.server.attempts
    # A peer may have the entry next: nobody here would take back what was said.
    assert "postgres" not in journal.snapshot().unready


@pytest.mark.parametrize("sqlstate", [None, "57P01", "57014"])
async def test_a_trial_without_an_answer_is_repeated_behind_a_canary(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk, sqlstate: str | None
) -> None:
    [entry_id] = await trials.suspects()
    usable = sqlstate == "57014"
    harness.store.failures.append(harness.store.error("gone", sqlstate=sqlstate, usable=usable))
    await trials.run([entry_id])
    assert harness.store.canaries == 1
    assert harness.store.writes == [("staged", 1)] * 2
    assert (harness.in_flight.ledger.acked, harness.unaccounted) == (1, 0)
    assert not harness.server.attempts


async def test_a_suspect_that_ends_every_session_is_refused_on_its_first_trial(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk, told: Told
) -> None:
    [entry_id] = await trials.suspects()
    harness.store.table.killers = {position(0, 0)["device_id"]}
    await trials.run([entry_id])
    # One try, and three right behind a canary.
    assert harness.store.writes == [("staged", 1)] * 4
    assert harness.failures_of(entry_id) == 1
    assert "no_answer" in harness.server.attempts[entry_id]
    assert told.fields("record refused")[0]["sqlstate"] == "57P01"


async def test_the_dead_letter_of_a_row_that_ends_sessions_is_of_the_write(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk
) -> None:
    [entry_id] = await trials.suspects()
    harness.store.table.killers = {position(0, 0)["device_id"]}
    for _ in range(ATTEMPTS_MAX):
        await trials.run([entry_id])
    [letter] = harness.server.dead_letters
    assert (letter["dlq_stage"], letter["dlq_code"]) == ("write", "no_answer")
    assert letter["dlq_attempts"] == str(ATTEMPTS_MAX)


@pytest.mark.parametrize("sqlstate", ["23514", "P0001", "54000", "0A000", "42883"])
async def test_a_refusal_by_a_table_that_refuses_sound_rows_too_counts_for_none_and_is_said(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk, told: Told, sqlstate: str
) -> None:
    harness.store.table.rows.update(rows_of(batch_of([position(90, 0)])))
    [entry_id] = await trials.suspects()
    harness.store.table.refuses_all = sqlstate
    await trials.run([entry_id])
    assert harness.store.verdicts == [Evidence.TABLE]
    assert [line["sqlstate"] for line in told.fields("records left pending")] == [sqlstate]
    assert not harness.server.attempts
    assert (harness.in_flight.ledger.left_pending, harness.unaccounted) == (1, 0)


async def test_without_a_session_of_their_own_suspects_are_tried_on_a_writers_and_it_is_said(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk, told: Told
) -> None:
    ids = await trials.suspects(3)
    await harness.writers.connect()
    harness.store.table.sessions_max = 1
    await trials.run(ids)
    assert harness.writers.writes == [("staged", 1)] * 3
    assert harness.in_flight.ledger.acked == 3
    # Once a minute, not once a suspect.
    [line] = told.fields("no session for the trials of crash suspects, a writer's session is used")
    assert "too many connections for role" in line["error"]


async def test_a_trial_never_comes_between_the_steps_of_a_writer(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, trials: TrialDesk
) -> None:
    [entry_id] = await trials.suspects()
    await harness.writers.connect()
    harness.store.table.sessions_max = 1
    async with harness.turn:
        nursery.start_soon(trials.run, [entry_id])
        await trio.sleep(5)
        assert harness.writers.writes == []
        assert not harness.server.attempts
    await trio.sleep(1)
    assert harness.writers.writes == [("staged", 1)]


async def test_suspects_wait_for_a_later_pass_while_no_writer_comes_to_an_end_and_it_is_said(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, trials: TrialDesk, told: Told
) -> None:
    ids = await trials.suspects(3)
    await harness.writers.connect()
    harness.store.table.sessions_max = 1
    async with harness.turn:
        nursery.start_soon(trials.run, ids)
        await trio.sleep(60)
    await wait_all_tasks_blocked()
    assert harness.writers.writes == []
    assert not harness.server.attempts
    assert told.lines("no session for the trials of crash suspects, they wait")


async def test_the_session_of_the_trials_is_open_while_there_are_suspects(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk
) -> None:
    open_at: list[int] = []
    harness.store.before_write = lambda: open_at.append(len(harness.store.table.sessions))
    await trials.run(await trials.suspects(2))
    assert open_at == [1, 1]
    assert not harness.store.table.sessions


async def test_a_cancelled_trial_is_taken_back(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk
) -> None:
    [entry_id] = await trials.suspects()
    with trio.move_on_after(10) as scope:

        def stall() -> None:
            harness.store.table.answers = trio.Event()

        harness.store.before_write = stall
        await harness.trials.run([entry_id])
    assert scope.cancelled_caught
    assert harness.failures_of(entry_id) == 1
    await trials.settle()
    assert harness.failures_of(entry_id) == 0
    assert (harness.in_flight.ledger.left_pending, harness.unaccounted) == (1, 0)


async def test_a_trial_that_loses_redis_is_taken_back(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk
) -> None:
    [entry_id] = await trials.suspects()
    harness.stream.faults.before["redeliver"].append(harness.stream.unavailable())
    with pytest.raises(RedisUnavailable):
        await harness.trials.run([entry_id])
    assert harness.failures_of(entry_id) == 1
    await trials.settle()
    assert harness.failures_of(entry_id) == 0
    # It never came, so it is in no class.
    assert harness.unaccounted == 0


@pytest.mark.parametrize("place", ["meet", "write"])
async def test_a_trial_in_which_the_process_dies_counts(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk, place: str
) -> None:
    [entry_id] = await trials.suspects()

    def die(*_: object) -> None:
        raise PanicError

    if place == "write":
        harness.store.before_write = die
    else:
        harness.trials._own.devices.prepare = die  # type: ignore[method-assign, assignment]
    with pytest.raises(PanicError):
        await harness.trials.run([entry_id])
    await trials.settle()
    assert harness.failures_of(entry_id) == 1
    assert NO_ANSWER in harness.server.attempts[entry_id]
    assert len(harness.server.pending) == 1


async def test_the_trial_after_the_last_is_a_dead_letter_of_the_crash(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk, journal: Journal, told: Told
) -> None:
    [entry_id] = await trials.suspects()

    def die() -> None:
        raise PanicError

    harness.store.before_write = die
    for death in range(1, ATTEMPTS_MAX + 1):
        with pytest.raises(PanicError):
            await harness.trials.run([entry_id])
        assert harness.failures_of(entry_id) == death
        # The next process knows nothing of the trial.
        harness.in_flight._on_trial.clear()
    assert not harness.server.dead_letters
    await trials.run([entry_id])
    [letter] = harness.server.dead_letters
    assert (letter["dlq_stage"], letter["dlq_code"]) == ("crash", "no_answer")
    assert letter["dlq_attempts"] == str(ATTEMPTS_MAX)
    assert harness.store.writes == [("staged", 1)] * ATTEMPTS_MAX
    assert not harness.server.pending
    assert told.fields("dead letter")[0]["stage"] == "crash"
    assert journal.snapshot().dead_letters["no_answer"] == 1
    assert harness.in_flight.ledger.dead_lettered == 1


async def test_a_refusal_on_trial_takes_the_trials_place(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk, told: Told
) -> None:
    harness.store.speed_max = 200
    [entry_id] = await trials.suspects(speed=250)
    await trials.run([entry_id])
    assert harness.failures_of(entry_id) == 1
    assert "refused_by_server" in harness.server.attempts[entry_id]
    assert told.fields("record refused")[0]["sqlstate"] == "23514"
    assert harness.unaccounted == 0


async def test_a_suspect_that_is_no_position_is_refused_like_any_other(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk
) -> None:
    bad = harness.add_malformed()
    await harness.read()
    harness.suspect(bad)
    await trials.run([bad])
    assert harness.failures_of(bad) == 1
    assert "bad_json" in harness.server.attempts[bad]
    assert harness.store.writes == []


async def test_a_refusal_by_another_table_than_we_think_counts_for_none(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk
) -> None:
    harness.store.speed_max = 0
    harness.store.table.differences = ("column tenant is NOT NULL",)
    [entry_id] = await trials.suspects()
    await trials.run([entry_id])
    assert not harness.server.attempts
    assert len(harness.server.pending) == 1


async def test_a_suspect_that_was_trimmed_is_lost_and_one_that_a_peer_has_is_left_to_it(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk, journal: Journal, told: Told
) -> None:
    trimmed, taken = await trials.suspects(2)
    harness.server.delete(trimmed)
    harness.pending_entry(taken).lease("processor-2")
    await trials.run([trimmed, taken])
    assert journal.snapshot().entries_lost == 1
    assert told.fields("entries lost")[0]["entry_ids"] == [trimmed]
    assert harness.pending_entry(taken).deliveries == 6
    assert not harness.server.attempts
    assert harness.unaccounted == 0


async def test_a_suspect_that_is_trimmed_in_its_trial_is_lost_and_in_no_other_class(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk
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


async def test_each_suspect_is_tried_alone(
    clock: MockClock, harness: RedisHarness, trials: TrialDesk
) -> None:
    ids = await trials.suspects(3)
    recorded: list[int] = []
    harness.store.before_write = lambda: recorded.append(len(harness.server.attempts))
    await harness.trials.run(ids)
    assert [size for _, size in harness.store.writes] == [1, 1, 1]
