"""The PostgreSQL session that suspects are tried on: their own, or a writer's between two of its batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from trio.testing import wait_all_tasks_blocked

from tests.support.redis_harness import RedisHarness

if TYPE_CHECKING:
    from trio.testing import MockClock

    from tests.processor.conftest import LogLines
    from tests.support.trial_harness import TrialHarness


async def test_nothing_is_tried_while_postgres_does_not_answer(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness
) -> None:
    ids = await trials.suspects(3)
    harness.store.table.reachable = False
    await trials.run(ids)
    assert not harness.server.attempts
    assert all(entry.deliveries == 6 for entry in harness.server.pending.values())


async def test_the_rest_is_left_to_a_later_pass_when_postgres_goes_meanwhile(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness
) -> None:
    ids = await trials.suspects(3)

    def leave() -> None:
        harness.store.table.reachable = False

    harness.store.before_write = leave
    await trials.run(ids)
    assert harness.store.writes == [("insert_new", 1)]
    assert not harness.server.attempts
    assert len(harness.server.pending) == 3
    assert harness.unaccounted == 0


async def test_without_a_session_of_their_own_suspects_are_tried_on_a_writers_and_it_is_said(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness, logged: LogLines
) -> None:
    ids = await trials.suspects(3)
    await harness.writers.connect()
    harness.store.table.sessions_max = 1
    await trials.run(ids)
    assert harness.writers.writes == [("insert_new", 1)] * 3
    assert harness.in_flight.ledger.acked == 3
    # Once a minute, not once a suspect.
    [line] = logged.fields(
        "no session for the trials of crash suspects, a writer's session is used"
    )
    assert "too many connections for role" in line["error"]


async def test_a_trial_never_comes_between_the_steps_of_a_writer(
    clock: MockClock, nursery: trio.Nursery, harness: RedisHarness, trials: TrialHarness
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
    assert harness.writers.writes == [("insert_new", 1)]


async def test_suspects_wait_for_a_later_pass_while_no_writer_finishes_its_batch_and_it_is_logged(
    clock: MockClock,
    nursery: trio.Nursery,
    harness: RedisHarness,
    trials: TrialHarness,
    logged: LogLines,
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
    assert logged.lines("no session for the trials of crash suspects, they wait")


async def test_the_session_of_the_trials_is_open_while_there_are_suspects(
    clock: MockClock, harness: RedisHarness, trials: TrialHarness
) -> None:
    open_at: list[int] = []
    harness.store.before_write = lambda: open_at.append(len(harness.store.table.sessions))
    await trials.run(await trials.suspects(2))
    assert open_at == [1, 1]
    assert not harness.store.table.sessions
