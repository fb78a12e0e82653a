"""Deadlines of waits for sockets: each ends its own wait in time, and nothing else."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from telemetry.chassis import progress
from telemetry.chassis.deadlines import AGAIN_S, Deadline
from telemetry.chassis.progress import ProgressTable, StalledTask

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def clock() -> MockClock:
    return MockClock(autojump_threshold=0)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    for each in (ours, theirs):
        each.settimeout(0)
    with ours, theirs:
        yield ours, theirs


async def waited(ours: socket.socket, seconds: float, deadline: Deadline | None = None) -> float:
    """How long a wait took that was to end after this time."""
    began_s = trio.current_time()
    with (
        pytest.raises(trio.TooSlowError),
        (deadline or Deadline()).at(began_s + seconds, ours),
    ):
        await trio.lowlevel.wait_readable(ours)
    return trio.current_time() - began_s


async def test_at_the_deadline_the_wait_ends_and_the_socket_can_be_used_on(
    clock: MockClock, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    deadline = Deadline()
    assert await waited(ours, 5, deadline) == pytest.approx(5)
    theirs.send(b"x")
    with deadline.at(trio.current_time() + 5, ours):
        await trio.lowlevel.wait_readable(ours)
    assert ours.recv(2) == b"x"


async def test_a_deadline_behind_a_wait_ends_nothing(
    clock: MockClock, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    deadline = Deadline()
    theirs.send(b"x")
    with deadline.at(trio.current_time() + 5, ours):
        await trio.lowlevel.wait_readable(ours)
    assert ours.recv(2) == b"x"
    with trio.move_on_after(100) as scope:
        await trio.lowlevel.wait_readable(ours)
    assert scope.cancelled_caught


async def test_a_later_wait_may_end_earlier(
    nursery: trio.Nursery, clock: MockClock, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    long_s: list[float] = []

    async def wait_long() -> None:
        long_s.append(await waited(theirs, 100))

    nursery.start_soon(wait_long)
    await wait_all_tasks_blocked()
    assert await waited(ours, 5) == pytest.approx(5)
    assert await waited(ours, 7) == pytest.approx(7)
    assert long_s == []
    await trio.sleep(100)
    assert long_s == [pytest.approx(100)]


async def test_a_task_that_did_not_wait_at_the_deadline_is_woken_a_little_later(
    clock: MockClock, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, _ = pair
    began_s = trio.current_time()

    async def wait_late() -> None:
        with Deadline().at(began_s + 1, ours):
            await trio.sleep(1.5)
            await trio.lowlevel.wait_readable(ours)

    with pytest.raises(trio.TooSlowError):
        await wait_late()
    assert trio.current_time() - began_s <= 1.5 + AGAIN_S


async def test_a_socket_that_somebody_closes_is_not_too_slow(
    nursery: trio.Nursery, clock: MockClock, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, _ = pair
    ended: list[bool] = []

    async def wait() -> None:
        with pytest.raises(trio.ClosedResourceError), Deadline().at(trio.current_time() + 5, ours):
            await trio.lowlevel.wait_readable(ours)
        ended.append(True)

    nursery.start_soon(wait)
    await wait_all_tasks_blocked()
    trio.lowlevel.notify_closing(ours)
    await wait_all_tasks_blocked()
    assert ended == [True]


async def test_a_socket_that_is_closed_is_left_alone_at_the_deadline(
    nursery: trio.Nursery, clock: MockClock
) -> None:
    ours, theirs = trio.socket.socketpair()

    async def wait() -> None:
        with Deadline().at(trio.current_time() + 5, ours):
            await trio.sleep(6)

    with theirs:
        nursery.start_soon(wait)
        await trio.sleep(1)
        ours.close()
        await trio.sleep(10)


async def test_a_cancelled_wait_is_forgotten(
    clock: MockClock, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, _ = pair
    with trio.move_on_after(1) as scope, Deadline().at(trio.current_time() + 5, ours):
        await trio.lowlevel.wait_readable(ours)
    assert scope.cancelled_caught
    with trio.move_on_after(100) as scope:
        await trio.lowlevel.wait_readable(ours)
    assert scope.cancelled_caught


async def test_a_wait_is_a_step_until_its_deadline(
    nursery: trio.Nursery, clock: MockClock, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, _ = pair
    table = ProgressTable()

    async def wait() -> None:
        with progress.working():
            await waited(ours, 100)
            await trio.sleep_forever()

    table.start_soon(nursery, "ferry", wait)
    await trio.sleep(159)
    assert table.stalled(trio.current_time(), after_s=60) == ()
    await trio.sleep(2)
    assert table.stalled(trio.current_time(), after_s=60) == (StalledTask("ferry", 61.0),)
    nursery.cancel_scope.cancel()
