"""Which long-lived tasks have work, and when each of them took its last step: what `/healthz` shows.

A task takes a step with each piece of its work. A wait that is bounded is a step until its bound, and so is a pause
between two tries. A task that waits for something to do, or for a neighbour that is watched itself, has no work, and
may be silent for as long as it likes.

A watched task and whatever it calls report without being handed anything: the row belongs to the task, as a context
variable. In a task that nobody watches the reports do nothing.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from telemetry.chassis import clocks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class StalledTask:
    """A task that has work and does not get on with it."""

    name: str
    stalled_s: float
    """Since its last step."""


@dataclass(slots=True)
class TaskProgress:
    """A row of the table: one task. Every time is in seconds, of one clock that only goes forward."""

    name: str
    has_work: bool = False
    stepped_at_s: float = 0.0
    waits_until_s: list[float] = field(default_factory=list)
    """The bounds of its waits at this moment; those of its children are among them."""

    def stalled_s(self, now_s: float) -> float:
        """How long it has taken no step; 0 while it has no work, or waits within a bound."""
        if not self.has_work:
            return 0.0
        return max(0.0, now_s - max((self.stepped_at_s, *self.waits_until_s)))


class ProgressTable:
    """The long-lived tasks of a service."""

    def __init__(self) -> None:
        self._rows: list[TaskProgress] = []

    def stalled(self, now_s: float, *, after_s: float) -> tuple[StalledTask, ...]:
        """The tasks that have work and have taken no step for `after_s`, in the order in which they were started."""
        stalled = [StalledTask(row.name, row.stalled_s(now_s)) for row in self._rows]
        return tuple(task for task in stalled if task.stalled_s >= after_s)

    def start_soon(
        self, nursery: trio.Nursery, name: str, run: Callable[..., Awaitable[object]], *args: object
    ) -> None:
        """Start a task in the nursery and watch it until it ends; `name` is what operators read."""
        nursery.start_soon(self._watch, name, run, args, name=run)

    async def _watch(
        self, name: str, run: Callable[..., Awaitable[object]], args: tuple[object, ...]
    ) -> None:
        row = TaskProgress(name, stepped_at_s=clocks.monotonic_s())
        self._rows.append(row)
        own_row.set(row)
        try:
            await run(*args)
        finally:
            self._rows.remove(row)


own_row: ContextVar[TaskProgress | None] = ContextVar("progress of this task", default=None)
"""The row of this task; None if nobody watches it."""


def step() -> float:
    """The task has done a piece of its work; returns the time at which it has."""
    now_s = clocks.monotonic_s()
    if (row := own_row.get()) is not None:
        row.stepped_at_s = now_s
    return now_s


def working() -> AbstractContextManager[None]:
    """The task has work in this block: from here on it is expected to take steps."""
    return _HavingWork(has_work=True)


def resting() -> AbstractContextManager[None]:
    """The task waits in this block for something to do, or for a neighbour that is watched itself."""
    return _HavingWork(has_work=False)


def waiting(until_s: float) -> AbstractContextManager[None]:
    """A wait that somebody ends at `until_s` of Trio's clock: a step until then."""
    return _Waiting(until_s)


async def pause(seconds: float) -> None:
    """Sleep between two tries."""
    with waiting(clocks.monotonic_s() + seconds):
        await trio.sleep(seconds)


# Classes, since generators as context managers take several times as long, and every batch passes many.
class _HavingWork:
    __slots__ = ("_before", "_has_work", "_row")

    def __init__(self, *, has_work: bool) -> None:
        self._has_work = has_work
        self._row = own_row.get()

    def __enter__(self) -> None:
        if (row := self._row) is not None:
            self._before, row.has_work = row.has_work, self._has_work
            # Without work nobody looks at the time.
            if self._has_work:
                row.stepped_at_s = clocks.monotonic_s()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if (row := self._row) is not None:
            row.has_work = self._before
            if self._before:
                row.stepped_at_s = clocks.monotonic_s()


class _Waiting:
    __slots__ = ("_row", "_until_s")

    def __init__(self, until_s: float) -> None:
        self._until_s = until_s
        self._row = own_row.get()

    def __enter__(self) -> None:
        if (row := self._row) is not None:
            row.waits_until_s.append(self._until_s)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if (row := self._row) is not None:
            row.waits_until_s.remove(self._until_s)
            row.stepped_at_s = clocks.monotonic_s()
