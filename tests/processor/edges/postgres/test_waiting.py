"""The wait for a command that commits: bounded whatever libpq waits for, and never cut by its deadline."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import trio
from psycopg.waiting import Ready, Wait
from trio.testing import MockClock

from processor.edges.postgres.waiting import drive_until_answered
from telemetry.chassis.deadlines import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.abc import PQGen

LIMIT_S = 30.0
MORE_S = 1.0


@pytest.fixture
def clock() -> MockClock:
    return MockClock(autojump_threshold=0)


@pytest.fixture
def stuck() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Nothing comes from the other end, and it takes nothing."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0)
        with suppress(BlockingIOError):
            while True:
                ours.send(bytes(65_536))
        yield ours, theirs


def waiting_for(wanted: Wait) -> PQGen[int]:
    return (yield wanted)


@pytest.mark.parametrize("wanted", list(Wait))
async def test_at_the_deadline_it_is_asked_whether_to_wait_on(
    clock: MockClock, stuck: tuple[socket.socket, socket.socket], wanted: Wait
) -> None:
    ours, theirs = stuck
    asked_s: list[float] = []

    async def extend() -> float:
        asked_s.append(trio.current_time() - began_s)
        if len(asked_s) == 3:
            theirs.send(b"x")
            while len(theirs.recv(1 << 20)) == 1 << 20:
                pass
        return MORE_S

    began_s = trio.current_time()
    ready = await drive_until_answered(
        waiting_for(wanted),
        ours.fileno(),
        deadline=Deadline(),
        ends_at_s=began_s + LIMIT_S,
        extend=extend,
    )
    assert asked_s == [pytest.approx(LIMIT_S + number * MORE_S) for number in range(3)]
    assert Ready(ready) & wanted
