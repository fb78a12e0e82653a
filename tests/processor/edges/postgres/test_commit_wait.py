"""How long a commit is waited for, with an observer that a test plays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
import trio
from trio.testing import MockClock

from processor.edges.postgres.standby import ASK_EVERY_S, ASKING_S_MAX, CommitWait
from processor.errors import PostgresError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Answers:
    """A observer that gives the answers in turn; None is no answer, and an Ellipsis is one too late."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)
        self.asked: list[int] = []
        self.over: list[int] = []

    async def awaits_standby(self, pid: int) -> bool:
        self.asked.append(pid)
        answer = self._answers.pop(0)
        if answer is ...:
            await trio.sleep_forever()
        if answer is None:
            raise PostgresError("no", where="x", sqlstate=None, connection_usable=False)
        return bool(answer)

    def wait_ended(self, pid: int) -> None:
        self.over.append(pid)


@pytest.fixture
def clock() -> MockClock:
    return MockClock(autojump_threshold=0)


@pytest.mark.parametrize(
    ("answers", "awaits_standby"),
    [
        ([True, True, False], False),
        ([True, None], True),
        ([True, ...], True),
        ([False], False),
        ([None], False),
        ([...], False),
    ],
)
async def test_a_commit_is_waited_for_as_long_as_a_standby_is_what_it_waits_for(
    clock: MockClock, answers: Sequence[object], awaits_standby: bool
) -> None:
    observer = Answers(*answers)
    wait = CommitWait(300, observer, 7)
    for answer in answers[:-1]:
        assert answer is True
        assert await wait.extend() == ASK_EVERY_S
    began = clock.current_time()
    with pytest.raises(psycopg.OperationalError, match="no answer within 300 ms"):
        await wait.extend()
    assert clock.current_time() - began == (ASKING_S_MAX if answers[-1] is ... else 0)
    assert wait.awaits_standby is awaits_standby
    assert observer.asked == [7] * len(answers)
    wait.end()
    assert observer.over == [7]


async def test_without_a_observer_the_deadline_is_the_end(clock: MockClock) -> None:
    wait = CommitWait(300)
    assert wait.deadline == clock.current_time() + 0.3
    with pytest.raises(psycopg.OperationalError, match="no answer within 300 ms"):
        await wait.extend()
    assert not wait.awaits_standby
    wait.end()


async def test_a_commit_that_is_answered_in_time_bothers_nobody() -> None:
    observer = Answers()
    wait = CommitWait(300, observer, 7)
    wait.check()
    wait.end()
    assert observer.over == []
