"""A lock for what several tasks use, and nearly always one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from telemetry.chassis import progress

if TYPE_CHECKING:
    from types import TracebackType


class Lock:
    """Like trio.Lock, which keeps account of the task that holds it, and so calls 14 functions for each use.

    Every batch takes some locks. No checkpoint while it is free. Whoever has to wait gets it in the order of asking,
    and until then the one that holds it has the work.
    """

    __slots__ = ("_is_held", "_waiting")

    def __init__(self) -> None:
        self._is_held = False
        self._waiting = trio.lowlevel.ParkingLot()

    def locked(self) -> bool:
        """Whether a task holds it."""
        return self._is_held

    async def acquire(self) -> None:
        """Hold it, once it is free."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._is_held:
            with progress.resting():
                # It is handed over: held all the time.
                await self._waiting.park()
        self._is_held = True

    def release(self) -> None:
        """Let the next one hold it."""
        if self._waiting:
            self._waiting.unpark()
        else:
            self._is_held = False

    __aenter__ = acquire

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()
