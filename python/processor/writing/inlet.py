"""What waits for a busy writer, bounded in entries: from many small reads it makes few large batches."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import trio

from processor.core.batching import Batching

if TYPE_CHECKING:
    from types import TracebackType

    from telemetry._codec import Batch


@dataclass(slots=True, eq=False)
class _Waiting:
    """A batch for which there is no room yet, and the task that puts it."""

    batch: Batch
    task: trio.lowlevel.Task
    is_put: bool = False


class Inlet:
    """One writer's way in, for several tasks that read.

    Trio's memory channel counts items, and a read may have one entry or thousands. Otherwise the rules are the
    channel's: once it is closed it runs dry; once the writer has abandoned it, what waits is dropped, and whoever puts
    gets trio.BrokenResourceError; a cancelled `put` has put nothing, and a cancelled `take` has taken nothing. Neither
    is a checkpoint unless it has to wait.
    """

    def __init__(self, *, rows_max: int, entries_max: int) -> None:
        """`rows_max`: of one batch that is taken. `entries_max`: a larger batch is let in alone."""
        self.entries = 0
        """That wait to be taken."""
        self._entries_max = entries_max
        self._batching = Batching["Batch"](rows_max=rows_max)
        self._waiting: deque[_Waiting] = deque()
        # The writer, while it waits. Tasks are woken directly: a parking lot for one of them takes twice the calls.
        self._taker: trio.lowlevel.Task | None = None
        self._is_closed = False
        self._is_abandoned = False

    @property
    def rows_max(self) -> int:
        """Rows of one batch at most."""
        return self._batching.rows_max

    def put_nowait(self, batch: Batch) -> bool:
        """Have a batch written, if there is room for it, and nobody waits for room; returns whether."""
        if self._is_closed:
            raise trio.ClosedResourceError
        if self._is_abandoned:
            raise trio.BrokenResourceError
        if self._waiting or not self._has_room_for(batch):
            return False
        self._add(batch)
        return True

    async def put(self, batch: Batch) -> None:
        """Have a batch written, once there is room for it, in the order of the calls."""
        if self.put_nowait(batch):
            return
        waiting = _Waiting(batch, trio.lowlevel.current_task())

        def put_nothing(_: object) -> trio.lowlevel.Abort:
            self._waiting.remove(waiting)
            return trio.lowlevel.Abort.SUCCEEDED

        self._waiting.append(waiting)
        await trio.lowlevel.wait_task_rescheduled(put_nothing)
        if not waiting.is_put:
            raise trio.BrokenResourceError

    async def take(self) -> list[Batch]:
        """The parts of one batch: all that waits, up to `rows_max`. Raises trio.EndOfChannel at the end."""

        def take_nothing(_: object) -> trio.lowlevel.Abort:
            self._taker = None
            return trio.lowlevel.Abort.SUCCEEDED

        while not self.entries:
            if self._is_closed:
                raise trio.EndOfChannel
            self._taker = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(take_nothing)
        return self.take_nowait()

    def take_nowait(self, *, beside_rows: int = 0) -> list[Batch]:
        """The same without waiting, for a batch that has some rows already; empty if nothing waits."""
        taken = self._batching.flush(beside_rows=beside_rows)
        for batch in taken:
            self.entries -= batch.records
        while self._waiting and self._has_room_for(self._waiting[0].batch):
            waiting = self._waiting.popleft()
            self._add(waiting.batch)
            waiting.is_put = True
            trio.lowlevel.reschedule(waiting.task)
        return taken

    def close(self) -> None:
        """Nothing more will be put; what waits can still be taken."""
        self._is_closed = True
        self._wake_taker()

    def abandon(self) -> None:
        """Nothing more will be taken: drop what waits."""
        self._is_abandoned = True
        self._batching = Batching["Batch"](rows_max=self.rows_max)
        self.entries = 0
        while self._waiting:
            trio.lowlevel.reschedule(self._waiting.popleft().task)

    def __enter__(self) -> Self:
        """Take until the end of the block; then it is abandoned."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.abandon()

    def _has_room_for(self, batch: Batch) -> bool:
        return not self.entries or self.entries + batch.records <= self._entries_max

    def _add(self, batch: Batch) -> None:
        self._batching.add(batch)
        self.entries += batch.records
        self._wake_taker()

    def _wake_taker(self) -> None:
        if (task := self._taker) is not None:
            self._taker = None
            trio.lowlevel.reschedule(task)
