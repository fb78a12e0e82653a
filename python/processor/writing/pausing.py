"""The pauses between the tries of one batch, and what is said of each."""

from __future__ import annotations

from processor.core.write_errors import wants_new_session
from processor.errors import PostgresError
from processor.journal.journal import Journal
from processor.journal.statistics import POSTGRES
from telemetry.chassis.backoff import Backoff, Retries
from telemetry.chassis.journal import IN_USE


class Pauses:
    """They grow with what went wrong since the last commit, and with each time that the whole batch was held."""

    def __init__(self, journal: Journal, backoff: Backoff, *, by: str = IN_USE) -> None:
        """`by` is who reports what stands against the server."""
        self._journal = journal
        self._by = by
        self._holds = 0
        # Beside failed tries it counts the holds, which a commit does not take back.
        self._retries = Retries(backoff)

    def begin(self) -> None:
        """Another batch."""
        self._holds = 0
        self._retries.reset()

    def answered(self) -> None:
        """Something was committed: what fails next is a new trouble. What is held stays a trouble."""
        self._retries.reset(self._holds)
        self._journal.dependency_ready(POSTGRES, by=self._by)

    async def after(self, error: PostgresError, *, rows: int) -> None:
        """Pause after a try that the infrastructure failed."""
        # A deadlock or a lock that was not to be had says nothing against the server.
        if self._retries.failures > self._holds or wants_new_session(error.sqlstate):
            self._journal.dependency_lost(POSTGRES, str(error), by=self._by)
        await self._pause(error, str(error), rows)

    async def held(self, error: PostgresError, why: str, *, rows: int) -> None:
        """Pause before everything that is not committed is written again."""
        reason = f"{why}: {error}"
        self._journal.dependency_lost(POSTGRES, reason, by=self._by)
        self._holds += 1
        await self._pause(error, reason, rows)

    async def _pause(self, error: PostgresError, reason: str, rows: int) -> None:
        def report(retry_ms: int) -> None:
            self._journal.batch_retried(
                rows=rows,
                attempt=self._retries.failures,
                retry_ms=retry_ms,
                sqlstate=error.sqlstate,
                error=reason,
            )

        await self._retries.pause(report)
