"""Deadlines of waits for sockets: one task of the run watches over all of them.

A cancel scope for each wait would call 45 functions, and every batch waits for two servers. Here a wait is noted in a
set, and nothing else happens unless its deadline comes first.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Self

import trio

from telemetry.chassis import clocks, progress

if TYPE_CHECKING:
    from types import TracebackType

    from _typeshed import FileDescriptorLike

    from telemetry.chassis.progress import TaskProgress

# A task that was woken by its socket at the moment of the deadline, and waits again, is woken once more.
AGAIN_S: Final = 0.1


class Deadline:
    """The deadline of one wait after the other, of one task at a time: that of a connection.

        with deadline.at(time_s, socket):
            await trio.lowlevel.wait_readable(socket)

    At the deadline every wait for the socket ends, and the block raises trio.TooSlowError. The socket itself stays
    open. A wait for anything else is not ended. Until then, the wait is a step of the task. Blocks are not nested, and
    one that is given a number must have ended before that can be another file's: whoever closes it wakes the task.
    """

    __slots__ = ("_has_passed", "_row", "_socket", "_watch", "at_s")

    def __init__(self) -> None:
        self.at_s = math.inf
        """Seconds of Trio's clock."""
        self._has_passed = False
        self._row: TaskProgress | None = None
        self._socket: FileDescriptorLike = -1
        self._watch: _Watch | None = None

    def at(self, time_s: float, socket: FileDescriptorLike) -> Self:
        """The next wait, for that socket."""
        self.at_s = time_s
        self._socket = socket
        return self

    def passes(self) -> None:
        """It has come: end the waits."""
        self._has_passed = True
        # If it was closed just now, its waits have ended, and nothing happens.
        trio.lowlevel.notify_closing(self._socket)

    def __enter__(self) -> None:
        self._has_passed = False
        if (watch := self._watch) is None:
            watch = self._watch = _watch_of_this_run()
        watch.running.add(self)
        if self.at_s < watch.wakes_at_s:
            watch.wake_at(self.at_s)
        if (row := progress.own_row.get()) is not None:
            row.waits_until_s.append(self.at_s)
        self._row = row

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._watch is not None:
            self._watch.running.discard(self)
        if (row := self._row) is not None:
            row.waits_until_s.remove(self.at_s)
            row.stepped_at_s = clocks.monotonic_s()
        if self._has_passed and isinstance(exc, trio.ClosedResourceError):
            raise trio.TooSlowError from None


class _Watch:
    """Sleeps until the earliest deadline at the time when it fell asleep; most waits have ended by then."""

    def __init__(self) -> None:
        self.running: set[Deadline] = set()
        """Those of the waits that go on."""
        self.wakes_at_s = math.inf
        self._sleep = trio.CancelScope()

    def wake_at(self, time_s: float) -> None:
        """Sleep no longer than until then."""
        self.wakes_at_s = self._sleep.deadline = time_s

    async def run(self) -> None:
        """Watch until the run ends."""
        while True:
            with self._sleep:
                await trio.sleep_forever()
            now_s = clocks.monotonic_s()
            self.wakes_at_s = math.inf
            for deadline in self.running:
                next_s = deadline.at_s
                if next_s <= now_s:
                    deadline.passes()
                    next_s = now_s + AGAIN_S
                self.wakes_at_s = min(self.wakes_at_s, next_s)
            self._sleep = trio.CancelScope(deadline=self.wakes_at_s)


_watches: trio.lowlevel.RunVar[_Watch] = trio.lowlevel.RunVar("watch of deadlines")


def _watch_of_this_run() -> _Watch:
    try:
        return _watches.get()
    except LookupError:
        watch = _Watch()
        _watches.set(watch)
        # Of the run, not of a service: a connection may be opened before any nursery, and outlive each.
        trio.lowlevel.spawn_system_task(watch.run, name="watch of deadlines")
        return watch
