"""The pauses between the tries of one batch, and what is said of each."""

from __future__ import annotations

from random import random

import trio

from processor.core.write_errors import wants_new_session
from processor.errors import PostgresError
from processor.journal.journal import Journal
from processor.journal.statistics import POSTGRES
from telemetry.chassis.backoff import Backoff
from telemetry.chassis.journal import IN_USE


class Pauses:
    """They grow with what went wrong since the last commit, and with each time that the whole batch was held."""

    def __init__(self, journal: Journal, backoff: Backoff, *, by: str = IN_USE) -> None:
        """`by` is who reports what stands against the server."""
        self._journal = journal
        self._by = by
        self._backoff = backoff
        self._failures = self._holds = 0

    def begin(self) -> None:
        """Another batch."""
        self._failures = self._holds = 0

    def answered(self) -> None:
        """Something was committed: what fails next is a new trouble. What is held stays a trouble."""
        self._failures = 0
        self._journal.dependency_ready(POSTGRES, by=self._by)

    async def after(self, error: PostgresError, *, rows: int) -> None:
        """Pause after a try that the infrastructure failed."""
        self._failures += 1
        # A deadlock or a lock that was not to be had says nothing against the server.
        if self._failures > 1 or wants_new_session(error.sqlstate):
            self._journal.dependency_lost(POSTGRES, str(error), by=self._by)
        await self._pause(error, str(error), rows)

    async def held(self, error: PostgresError, why: str, *, rows: int) -> None:
        """Pause before everything that is not committed is written again."""
        self._holds += 1
        reason = f"{why}: {error}"
        self._journal.dependency_lost(POSTGRES, reason, by=self._by)
        await self._pause(error, reason, rows)

    async def _pause(self, error: PostgresError, reason: str, rows: int) -> None:
        attempt = self._failures + self._holds
        pause_ms = self._backoff.pause_ms(attempt, random) or 0.0
        self._journal.batch_retried(
            rows=rows,
            attempt=attempt,
            retry_ms=round(pause_ms),
            sqlstate=error.sqlstate,
            error=reason,
        )
        await trio.sleep(pause_ms / 1000)
