"""The pauses between the tries of one batch: which failures they grow with, and what speaks against the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.errors import PostgresError
from processor.journal.statistics import POSTGRES
from processor.writing.pausing import Pauses
from telemetry.chassis.backoff import Backoff
from tests.support.journals import new_journal

if TYPE_CHECKING:
    from processor.journal.journal import Journal
    from tests.support.log_pipe import Pipe

DEADLOCK = PostgresError("deadlock", where="x", sqlstate="40P01", connection_usable=True)
LOST = PostgresError("lost", where="x", sqlstate=None, connection_usable=False)
REFUSED = PostgresError("no", where="x", sqlstate="23514", connection_usable=True)


@pytest.fixture
def journal(pipe: Pipe) -> Journal:
    journal = new_journal(pipe.log())
    journal.dependency_ready(POSTGRES)
    return journal


@pytest.fixture
def pauses(journal: Journal) -> Pauses:
    return Pauses(journal, Backoff(base_ms=1, max_ms=1))


async def test_a_commit_takes_failures_back_and_holds_stay(pauses: Pauses, pipe: Pipe) -> None:
    await pauses.after(DEADLOCK, rows=1)
    await pauses.held(REFUSED, "the table refuses all", rows=1)
    await pauses.after(DEADLOCK, rows=1)
    pauses.answered()
    await pauses.after(DEADLOCK, rows=1)
    pauses.begin()
    await pauses.after(DEADLOCK, rows=1)
    assert [line["attempt"] for line in pipe.lines()] == [1, 2, 3, 2, 1]


async def test_one_deadlock_says_nothing_against_the_server_and_two_do(
    pauses: Pauses, journal: Journal
) -> None:
    def is_ready() -> bool:
        return journal.health().dependencies[POSTGRES].ready

    await pauses.after(DEADLOCK, rows=1)
    assert is_ready()
    await pauses.after(DEADLOCK, rows=1)
    assert not is_ready()
    pauses.answered()
    # A hold is no failure of the server's: the first deadlock behind it is the first again.
    await pauses.held(REFUSED, "the table refuses all", rows=1)
    pauses.answered()
    await pauses.after(DEADLOCK, rows=1)
    assert is_ready()
    await pauses.after(LOST, rows=1)
    assert not is_ready()


async def test_every_pause_is_counted_once_by_its_cause(pauses: Pauses, journal: Journal) -> None:
    await pauses.after(DEADLOCK, rows=1)
    await pauses.after(LOST, rows=1)
    await pauses.held(REFUSED, "the table refuses all", rows=1)
    retries = journal.snapshot().write_retries
    assert (retries["40P01"], retries["connection"], retries["23514"]) == (1, 1, 1)
