"""The stream for tasks that need an answer from Redis: it is connected and asked again for as long as it takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from processor.edges.ports import PositionStream
from processor.journal.journal import Journal
from processor.journal.statistics import REDIS
from telemetry.chassis import progress
from telemetry.chassis.backoff import Backoff, Retries
from telemetry.chassis.dependency import Dependency
from telemetry.chassis.errors import RedisError

Answer = TypeVar("Answer")


class RetryingStream:
    """The stream with the patience of a task that needs its answer."""

    def __init__(self, stream: PositionStream, journal: Journal, backoff: Backoff) -> None:
        self.stream = stream
        self._dependency = Dependency(REDIS, journal)
        self._journal = journal
        self._backoff = backoff

    async def connect(self, *, and_then: Callable[[], Awaitable[object]] | None = None) -> None:
        """Make the missing connections and call `and_then`, as one attempt that is repeated until both succeed."""

        async def attempt() -> None:
            await self.stream.connect()
            if and_then is not None:
                await and_then()

        await self._dependency.connect(attempt, self._backoff)

    async def until_answered(
        self, ask: Callable[[], Awaitable[Answer]], *, what: str, refusable: bool = False
    ) -> Answer:
        """Ask until Redis answers; `what` names the command in the log.

        A refusal is no answer, since memory may be full for a while. If the command is `refusable`, it is one:
        raises RedisRefused, unless the server that refused is not the one to work on.
        """
        retries = Retries(self._backoff)
        while True:
            progress.step()
            try:
                return await ask()
            except RedisError as error:
                if refusable and not error.wants_new_connection:
                    raise
                await self._pause(retries, error, what)
                if error.wants_new_connection:
                    await self.connect()

    async def _pause(self, retries: Retries, error: RedisError, what: str) -> None:
        def report(retry_ms: int) -> None:
            self._journal.command_repeated(what=what, error=str(error), retry_ms=retry_ms)

        await retries.pause(report)
