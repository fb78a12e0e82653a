"""Connecting to a server, for as long as it takes or as often as is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import MockClock

from telemetry.chassis.backoff import Backoff
from telemetry.chassis.dependency import Dependency
from telemetry.chassis.errors import EdgeError
from telemetry.chassis.journal import ServiceJournal

if TYPE_CHECKING:
    from tests.support.log_pipe import Pipe

BACKOFF = Backoff(base_ms=100, max_ms=5_000)
LAST = Backoff(base_ms=100, max_ms=5_000, attempts_max=4)


class Server:
    """Accepts connections while it is reachable."""

    def __init__(self) -> None:
        self.is_reachable = False

    async def connect(self) -> None:
        await trio.lowlevel.checkpoint()
        if not self.is_reachable:
            raise EdgeError("connection refused", where="fake:5432")


@pytest.fixture
def clock() -> MockClock:
    """Virtual time: pauses take none."""
    return MockClock(autojump_threshold=0)


@pytest.fixture
def journal(pipe: Pipe) -> ServiceJournal:
    return ServiceJournal(pipe.log(), service="ferry", dependencies={"postgres": "Postgres"})


async def test_connecting_goes_on_until_it_succeeds(
    clock: MockClock, nursery: trio.Nursery, journal: ServiceJournal, pipe: Pipe
) -> None:
    server = Server()

    async def mend() -> None:
        await trio.sleep(600)
        assert not journal.health().dependencies["postgres"].ready
        server.is_reachable = True

    nursery.start_soon(mend)
    await Dependency("postgres", journal).connect(server.connect, BACKOFF)
    assert journal.health().dependencies["postgres"].ready
    lines = pipe.lines()
    assert all(line["msg"].startswith("Postgres unreachable") for line in lines)
    assert [line["attempt"] for line in lines] == list(range(1, len(lines) + 1))
    # Pauses of 5 s at most, half of that on average.
    assert 600 / 5 <= len(lines) < 600
    assert {(line["where"], line["attempts_max"]) for line in lines} == {("fake:5432", None)}


async def test_connecting_gives_up_after_its_attempts(
    clock: MockClock, journal: ServiceJournal, pipe: Pipe
) -> None:
    with pytest.raises(EdgeError, match="fake:5432: connection refused"):
        await Dependency("postgres", journal).connect(Server().connect, LAST)
    assert [line["attempt"] for line in pipe.lines()] == [1, 2, 3]
    assert "connection refused" in journal.health().dependencies["postgres"].reason


async def test_the_last_failure_is_the_reason_that_the_dependency_is_not_ready(
    journal: ServiceJournal, pipe: Pipe
) -> None:
    once = Backoff(base_ms=100, max_ms=5_000, attempts_max=1)
    with pytest.raises(EdgeError):
        await Dependency("postgres", journal).connect(Server().connect, once)
    assert "connection refused" in journal.health().dependencies["postgres"].reason
    # The caller reports the end of the tries.
    assert pipe.lines() == []


async def test_a_mistake_of_the_program_is_not_retried(journal: ServiceJournal) -> None:
    async def mistaken() -> None:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Dependency("postgres", journal).connect(mistaken, BACKOFF)
