"""The probe's session: whether the server answers, and what silent sessions wait for, for several who ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from processor.errors import PostgresError
from processor.watching.postgres_probe import AWAITED, INTERVAL_S, PostgresProbe
from tests.support.fakes.store import FakeStore

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.edges.retrying import Dependency
    from processor.journal.statistics import Readiness, Recorder
    from tests.processor.conftest import Told


class Watching(FakeStore):
    """A session that sees the processes `waiting` wait, and holds it against whoever asks meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: set[int] = set()
        self.in_use = False

    async def awaits_standby(self, pid: int) -> bool:
        await self._alone()
        await super().awaits_standby(pid)
        return pid in self.waiting

    async def ping(self) -> None:
        await self._alone()
        await super().ping()

    async def _alone(self) -> None:
        assert not self.in_use, "a session is for one at a time"
        self.in_use = True
        await trio.sleep(0.01)
        self.in_use = False


@pytest.fixture
def store() -> Watching:
    return Watching()


@pytest.fixture
def probe(store: Watching, recorder: Recorder, postgres: Dependency) -> PostgresProbe:
    recorder.dependency_ready("postgres")
    return PostgresProbe(store)


def readiness(recorder: Recorder) -> Readiness:
    return recorder.snapshot().dependencies["postgres"]


async def test_a_server_that_does_not_answer_is_not_ready_until_it_does(
    clock: MockClock,
    nursery: trio.Nursery,
    store: Watching,
    probe: PostgresProbe,
    postgres: Dependency,
    recorder: Recorder,
) -> None:
    store.table.reachable = False
    nursery.start_soon(probe.run, postgres)
    await trio.sleep(1)
    assert "connection refused" in readiness(recorder).reason
    store.table.reachable = True
    await trio.sleep(INTERVAL_S)
    assert readiness(recorder).ready
    nursery.cancel_scope.cancel()


async def test_a_commit_that_waits_for_a_standby_is_told_when_it_begins_and_when_it_ends(
    clock: MockClock,
    nursery: trio.Nursery,
    store: Watching,
    probe: PostgresProbe,
    postgres: Dependency,
    recorder: Recorder,
    told: Told,
) -> None:
    nursery.start_soon(probe.run, postgres)
    store.waiting = {7, 8}
    for _ in range(30):
        assert await probe.awaits_standby(7)
        await trio.sleep(1)
    assert readiness(recorder).reason == AWAITED
    assert await probe.awaits_standby(8)
    probe.wait_ended(7)
    await trio.sleep(INTERVAL_S)
    assert readiness(recorder).reason == AWAITED, "another one still waits"
    assert not told.lines("Postgres waits for no standby")
    probe.wait_ended(8)
    await trio.sleep(1)
    assert readiness(recorder).ready
    assert told.fields("Postgres waits for a standby") == [{"sessions": 1}]
    [ended] = told.fields("Postgres waits for no standby any more")
    assert 31_000 <= ended["waited_ms"] <= 35_000
    nursery.cancel_scope.cancel()


async def test_what_waits_for_something_else_is_not_told(
    clock: MockClock,
    nursery: trio.Nursery,
    probe: PostgresProbe,
    postgres: Dependency,
    recorder: Recorder,
    told: Told,
) -> None:
    nursery.start_soon(probe.run, postgres)
    assert not await probe.awaits_standby(7)
    probe.wait_ended(7)
    await trio.sleep(INTERVAL_S)
    assert readiness(recorder).ready
    assert not told.lines("Postgres waits")
    nursery.cancel_scope.cancel()


async def test_whoever_asks_waits_for_his_turn(
    clock: MockClock, nursery: trio.Nursery, probe: PostgresProbe, postgres: Dependency
) -> None:
    nursery.start_soon(probe.run, postgres)
    async with trio.open_nursery() as asking:
        for pid in range(20):
            asking.start_soon(probe.awaits_standby, pid)
    await wait_all_tasks_blocked()
    nursery.cancel_scope.cancel()


async def test_a_question_that_is_not_answered_is_an_error_of_whoever_asked(
    store: Watching, probe: PostgresProbe
) -> None:
    store.table.reachable = False
    with pytest.raises(PostgresError, match="connection refused"):
        await probe.awaits_standby(7)
