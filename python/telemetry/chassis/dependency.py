"""Connects to a server that a service cannot do without, and keeps trying, with pauses that grow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.chassis.backoff import Retries
from telemetry.chassis.errors import EdgeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from telemetry.chassis.backoff import Backoff
    from telemetry.chassis.journal import ServiceJournal


@dataclass(frozen=True, slots=True)
class Dependency:
    """A server, and the journal in which its state is reported."""

    name: str
    """One of the journal's dependencies."""
    journal: ServiceJournal

    async def connect(self, attempt: Callable[[], Awaitable[None]], backoff: Backoff) -> None:
        """Try until it succeeds. Raises the last EdgeError when `backoff` has no try left."""
        retries = Retries(backoff)
        while True:
            try:
                await attempt()
            except EdgeError as error:
                if not await self._pause(retries, error, backoff.attempts_max):
                    self.journal.dependency_lost(self.name, str(error))
                    raise
            else:
                self.journal.dependency_ready(self.name)
                return

    async def _pause(self, retries: Retries, error: EdgeError, attempts_max: int | None) -> bool:
        def report(retry_ms: int) -> None:
            self.journal.connect_failed(
                self.name,
                where=error.where,
                error=str(error),
                attempt=retries.failures,
                attempts_max=attempts_max,
                retry_ms=retry_ms,
                is_refusal=error.is_refusal,
            )

        return await retries.pause(report)
