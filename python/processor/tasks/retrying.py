"""Connects to a server and keeps trying, with pauses that grow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import random

import trio

from processor import events
from processor.core.backoff import Backoff
from processor.errors import EdgeError
from processor.logs import Log
from processor.statistics import Recorder

BACKOFF_BASE_MS = 100


@dataclass(frozen=True, slots=True)
class Dependency:
    """A server that the service cannot do without, and where to say how it stands."""

    name: str
    """`redis` or `postgres`, as in metrics."""
    title: str
    """As in log lines."""
    recorder: Recorder
    log: Log

    async def connect(self, attempt: Callable[[], Awaitable[None]], backoff: Backoff) -> None:
        """Try until it succeeds. Raises the last EdgeError when `backoff` has no try left."""
        failures = 0
        while True:
            try:
                await attempt()
            except EdgeError as error:
                failures += 1
                self.recorder.dependency_lost(self.name, str(error))
                pause_ms = backoff.pause_ms(failures, random)
                if pause_ms is None:
                    raise
                self._tell(error, failures, backoff, pause_ms)
                await trio.sleep(pause_ms / 1000)
            else:
                self.recorder.dependency_ready(self.name)
                return

    def _tell(self, error: EdgeError, failures: int, backoff: Backoff, pause_ms: float) -> None:
        events.connect_failed(
            self.log,
            dependency=self.title,
            where=error.where,
            error=str(error),
            attempt=failures,
            attempts_max=backoff.attempts_max,
            retry_ms=round(pause_ms),
        )
