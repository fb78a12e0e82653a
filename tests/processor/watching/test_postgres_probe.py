"""The probe's session: whether the server answers, and what silent sessions wait for, for several who ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from processor.errors import PostgresError
from processor.journal.writing import AWAITED
from processor.watching.postgres_probe import INTERVAL_S, PostgresProbe
from tests.support.fakes.store import FakeStore

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.journal.journal import Journal
    from telemetry.chassis.health import Readiness
    from tests.processor.conftest import LogLines


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
def probe(store: Watching, journal: Journal) -> PostgresProbe:
    journal.dependency_ready("postgres")
    return PostgresProbe(store)


def readiness(journal: Journal) -> Readiness:
    return journal.snapshot().dependencies["postgres"]


async def test_a_server_that_does_not_answer_is_not_ready_until_it_does(
    clock: MockClock,
    nursery: trio.Nursery,
    store: Watching,
    probe: PostgresProbe,
    journal: Journal,
) -> None:
    store.table.reachable = False
    nursery.start_soon(probe.run, journal)
    await trio.sleep(1)
    assert "connection refused" in readiness(journal).reason
    store.table.reachable = True
    await trio.sleep(INTERVAL_S)
    assert readiness(journal).ready
    nursery.cancel_scope.cancel()


async def test_a_commit_that_waits_for_a_standby_is_reported_when_it_begins_and_when_it_ends(
    clock: MockClock,
    nursery: trio.Nursery,
    store: Watching,
    probe: PostgresProbe,
    journal: Journal,
    logged: LogLines,
) -> None:
    nursery.start_soon(probe.run, journal)
    store.waiting = {7, 8}
    for _ in range(30):
        assert await probe.awaits_standby(7)
        await trio.sleep(1)
    assert readiness(journal).reason == AWAITED
    assert await probe.awaits_standby(8)
    probe.wait_ended(7)
    await trio.sleep(INTERVAL_S)
    assert readiness(journal).reason == AWAITED, "another one still waits"
    assert not logged.lines("Postgres waits for no standby")
    probe.wait_ended(8)
    await trio.sleep(1)
    assert readiness(journal).ready
    assert logged.fields("Postgres waits for a standby") == [{"sessions": 1}]
    [ended] = logged.fields("Postgres waits for no standby any more")
    assert 31_000 <= ended["waited_ms"] <= 35_000
    nursery.cancel_scope.cancel()


async def test_a_commit_that_waits_for_something_else_is_not_logged(
    clock: MockClock,
    nursery: trio.Nursery,
    probe: PostgresProbe,
    journal: Journal,
    logged: LogLines,
) -> None:
    nursery.start_soon(probe.run, journal)
    assert not await probe.awaits_standby(7)
    probe.wait_ended(7)
    await trio.sleep(INTERVAL_S)
    assert readiness(journal).ready
    assert not logged.lines("Postgres waits")
    nursery.cancel_scope.cancel()


async def test_whoever_asks_waits_for_his_turn(
    clock: MockClock, nursery: trio.Nursery, probe: PostgresProbe, journal: Journal
) -> None:
    nursery.start_soon(probe.run, journal)
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
