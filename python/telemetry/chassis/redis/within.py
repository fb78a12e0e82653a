"""A block that a server has to let end in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from telemetry.chassis import clocks, progress
from telemetry.chassis.errors import RedisUnavailable

if TYPE_CHECKING:
    from types import TracebackType


class Within:
    """Raises RedisUnavailable if the block takes longer. What every batch waits for has a `Deadline` instead."""

    __slots__ = ("_scope", "_waiting", "_where")

    def __init__(self, timeout_ms: int, where: str, *, shield: bool) -> None:
        ends_at_s = clocks.monotonic_s() + timeout_ms / 1000
        self._scope = trio.CancelScope(deadline=ends_at_s, shield=shield)
        self._waiting = progress.waiting(ends_at_s)
        self._where = where

    def __enter__(self) -> None:
        self._scope.__enter__()
        self._waiting.__enter__()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._waiting.__exit__(exc_type, exc, traceback)
        self._scope.__exit__(exc_type, exc, traceback)
        if self._scope.cancelled_caught:
            raise RedisUnavailable("no answer in time", where=self._where) from None
