"""A task that waits until it is woken, once; cheaper than an event, which is made for each wait."""

from __future__ import annotations

import trio


class Parked:
    """The place of one task that may wait."""

    __slots__ = ("_task",)

    def __init__(self) -> None:
        self._task: trio.lowlevel.Task | None = None

    @property
    def waits(self) -> bool:
        """Whether the task waits at this moment."""
        return self._task is not None

    async def park(self) -> None:
        """Wait for `wake`."""
        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._leave)

    def wake(self) -> None:
        """Wake the task, if it waits."""
        if (task := self._task) is not None:
            self._task = None
            trio.lowlevel.reschedule(task)

    def _leave(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED
