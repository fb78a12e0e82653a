"""The pauses between the tries of one batch, each reported to the journal."""

from __future__ import annotations

from processor.core.write_errors import wants_new_session
from processor.errors import PostgresError
from processor.journal.journal import Journal
from processor.journal.statistics import POSTGRES
from telemetry.chassis.backoff import Backoff, Retries
from telemetry.chassis.journal import IN_USE


class Pauses:
    """Pauses that grow with each failure since the last commit, and with each time that the whole batch was held."""

    def __init__(self, journal: Journal, backoff: Backoff, *, by: str = IN_USE) -> None:
        """`by` is the reporter under whose name PostgreSQL is ready or lost."""
        self._journal = journal
        self._by = by
        self._holds = 0
        # It counts failed tries and holds; a commit resets the former alone.
        self._retries = Retries(backoff)

    def begin(self) -> None:
        """Forget all failures: another batch begins."""
        self._holds = 0
        self._retries.reset()

    def answered(self) -> None:
        """Something was committed: the next failure is a new one. Holds of the batch still count."""
        self._retries.reset(self._holds)
        self._journal.table_takes_rows(by=self._by)

    async def after(self, error: PostgresError, *, rows: int) -> None:
        """Pause after a try that the infrastructure failed."""
        # One deadlock, or one lock that was not available, says nothing against the server.
        if self._retries.failures > self._holds or wants_new_session(error.sqlstate):
            self._journal.dependency_lost(POSTGRES, str(error), by=self._by)
        await self._pause(error, str(error), rows)

    async def held(
        self, error: PostgresError, why: str, *, rows: int, is_schema: bool = False
    ) -> None:
        """Pause before everything that is not committed is written again; `is_schema`: the table is another one."""
        reason = f"{why}: {error}"
        self._journal.batch_held(reason, is_schema=is_schema, by=self._by)
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
