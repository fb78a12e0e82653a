"""Connects to a server and keeps trying, with pauses that grow; repeats what was not answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import random
from typing import TypeVar

import trio

from processor.edges.ports import PositionStream
from processor.journal.journal import Journal
from telemetry.chassis.backoff import Backoff
from telemetry.chassis.errors import EdgeError, RedisError

BACKOFF_BASE_MS = 100

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Dependency:
    """A server that the service cannot do without, and where to say how it stands."""

    name: str
    """`redis` or `postgres`, as in metrics."""
    journal: Journal

    async def connect(self, attempt: Callable[[], Awaitable[None]], backoff: Backoff) -> None:
        """Try until it succeeds. Raises the last EdgeError when `backoff` has no try left."""
        failures = 0
        while True:
            try:
                await attempt()
            except EdgeError as error:
                failures += 1
                pause_ms = backoff.pause_ms(failures, random)
                if pause_ms is None:
                    self.journal.dependency_lost(self.name, str(error))
                    raise
                self._report(error, failures, backoff, pause_ms)
                await trio.sleep(pause_ms / 1000)
            else:
                self.journal.dependency_ready(self.name)
                return

    def _report(self, error: EdgeError, failures: int, backoff: Backoff, pause_ms: float) -> None:
        self.journal.connect_failed(
            self.name,
            where=error.where,
            error=str(error),
            attempt=failures,
            attempts_max=backoff.attempts_max,
            retry_ms=round(pause_ms),
            is_refusal=error.is_refusal,
        )


class RetryingStream:
    """The stream with the patience of a task that needs its answer."""

    def __init__(self, stream: PositionStream, dependency: Dependency, backoff: Backoff) -> None:
        self.stream = stream
        self._dependency = dependency
        self._backoff = backoff

    async def connect(self, *, and_then: Callable[[], Awaitable[object]] | None = None) -> None:
        """Make the connections that are missing, for as long as it takes; `and_then` belongs to it."""

        async def attempt() -> None:
            await self.stream.connect()
            if and_then is not None:
                await and_then()

        await self._dependency.connect(attempt, self._backoff)

    async def until_answered(
        self, ask: Callable[[], Awaitable[Answer]], *, what: str, refusable: bool = False
    ) -> Answer:
        """Ask until Redis answers; `what` is for the log.

        A refusal is no answer either, since memory may be full for a while, unless it is `refusable`:
        raises RedisRefused then, but for one of a server that is not the one to work on.
        """
        failures = 0
        while True:
            try:
                return await ask()
            except RedisError as error:
                if refusable and not error.wants_new_connection:
                    raise
                failures += 1
                pause_ms = self._backoff.pause_ms(failures, random) or 0.0
                self._dependency.journal.command_repeated(
                    what=what, error=str(error), retry_ms=round(pause_ms)
                )
                await trio.sleep(pause_ms / 1000)
                if error.wants_new_connection:
                    await self.connect()
