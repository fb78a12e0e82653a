"""Drives psycopg's generators: Trio waits for the socket that they ask for, to read, to write, or both."""

from __future__ import annotations

import select
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import psycopg
import trio
from psycopg.waiting import Ready, Wait

from telemetry.chassis import clocks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from psycopg.abc import RV, PQGen, PQGenConn

    from telemetry.chassis.deadlines import Deadline

# Called when an answer is overdue: returns for how many more seconds to wait, or raises.
Extend: TypeAlias = "Callable[[], Awaitable[float]]"
# The block in which a wait for that descriptor is bounded.
Bounded: TypeAlias = "Callable[[int], AbstractContextManager[None]]"


def unbounded(fileno: int) -> AbstractContextManager[None]:  # noqa: ARG001  # as Deadline.at
    """A wait without a deadline of its own."""
    return nullcontext()


async def drive(gen: PQGen[RV], fileno: int, bounded: Bounded = unbounded) -> RV:
    """Run a generator to its end, on a socket that stays the same, and return its value.

    An exception raised while waiting, such as Trio's Cancelled, ends the generator, but not the command
    that it began on the server. Raises psycopg.Error, and what `bounded` raises.
    """
    await trio.lowlevel.checkpoint_if_cancelled()
    try:
        wanted = next(gen)
        while True:
            wanted = gen.send(await _ready(fileno, wanted, bounded))
    except StopIteration as end:
        result: RV = end.value
        return result
    finally:
        gen.close()


async def drive_until_answered(
    gen: PQGen[RV], fileno: int, *, deadline: Deadline, ends_at_s: float, extend: Extend
) -> RV:
    """Like `drive`, for a command that must not be interrupted: there is no checkpoint before it begins.

    At `ends_at_s`, a time of Trio's clock, `extend` is asked. `deadline` is the connection's own.
    """
    try:
        wanted = next(gen)
        while True:
            try:
                ready = await _ready(fileno, wanted, partial(deadline.at, ends_at_s))
            except trio.TooSlowError:
                ends_at_s = clocks.monotonic_s() + await extend()
            else:
                wanted = gen.send(ready)
    except StopIteration as end:
        result: RV = end.value
        return result
    finally:
        gen.close()


async def drive_connecting(gen: PQGenConn[RV]) -> RV:
    """Like `drive`, for generators that yield (socket, wanted), because libpq may change the socket.

    A connection that was not completed is closed with its generator.
    """
    await trio.lowlevel.checkpoint_if_cancelled()
    try:
        fileno, wanted = next(gen)
        while True:
            fileno, wanted = gen.send(await _ready(fileno, wanted))
    except StopIteration as end:
        result: RV = end.value
        return result
    finally:
        gen.close()


async def _ready(fileno: int, wanted: int, bounded: Bounded = unbounded) -> Ready:
    try:
        if wanted == Wait.R:
            with bounded(fileno):
                await trio.lowlevel.wait_readable(fileno)
            return Ready.R
        if wanted == Wait.W:
            with bounded(fileno):
                await trio.lowlevel.wait_writable(fileno)
            return Ready.W
        return await _ready_either(fileno, bounded)
    except (OSError, trio.ClosedResourceError) as error:
        raise psycopg.OperationalError("the connection was closed while it was in use") from error


async def _ready_either(fileno: int, bounded: Bounded) -> Ready:
    """Wait for both at once: an epoll is itself a file that becomes readable.

    Two tasks that wait for one direction each cost several times as much, and COPY waits here whenever
    the socket's buffer is full.
    """
    with select.epoll() as either:
        either.register(fileno, select.EPOLLIN | select.EPOLLOUT)
        with bounded(either.fileno()):
            await trio.lowlevel.wait_readable(either)
        [(_, events)] = either.poll(0)
    # An error or a hang-up alone counts as readable: reading is what makes libpq see it.
    ready = Ready.R if events & ~select.EPOLLOUT else Ready.NONE
    return Ready(ready | Ready.W) if events & select.EPOLLOUT else ready
