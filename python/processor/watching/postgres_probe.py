"""A session beside the writers', which asks whether PostgreSQL answers, and what an unanswered commit waits for."""

from __future__ import annotations

from typing import NoReturn

import trio

from processor.edges.ports import PositionStore
from processor.errors import PostgresError
from processor.journal.journal import Journal
from processor.journal.statistics import POSTGRES
from telemetry.chassis import clocks, progress
from telemetry.chassis.lock import Lock

INTERVAL_S = 2.0
REPORTER = "probe"


class PostgresProbe:
    """One session for every question, also for those of the writers' stores.

    A session for each question would not do: if it is closed while the server waits for a standby, it stays
    open on the server and counts against the connection limit of the role.
    """

    def __init__(self, store: PositionStore) -> None:
        self._store = store
        self._turn = Lock()
        self._waiting: set[int] = set()
        self._changed = trio.Event()

    async def run(self, journal: Journal) -> NoReturn:
        """Ask every other second whether the server answers, and report commits that wait for a standby.

        So a server that freezes in the middle of a write is noticed long before the write gives up. Owns its
        store. Stops only when cancelled. Cancelled, it loses nothing. Raises nothing.
        """
        waits_since: float | None = None
        while True:
            with progress.working():
                await self._ping(journal)
            waits_since = self._report_standby(journal, waits_since)
            with trio.move_on_after(INTERVAL_S):
                await self._changed.wait()

    async def awaits_standby(self, pid: int) -> bool:
        """Whether the server process `pid` waits for a standby to confirm its commit. Raises PostgresError."""
        async with self._turn:
            waits = await self._store.awaits_standby(pid)
        if waits and pid not in self._waiting:
            self._waiting.add(pid)
            self._changed.set()
        return waits

    def wait_ended(self, pid: int) -> None:
        """That process waits no longer, whether its commit was confirmed or given up."""
        if pid in self._waiting:
            self._waiting.remove(pid)
            self._changed.set()

    async def aclose(self) -> None:
        """Close the session; never raises."""
        await self._store.aclose()

    async def _ping(self, journal: Journal) -> None:
        try:
            async with self._turn:
                await self._store.ping()
        except PostgresError as error:
            journal.dependency_lost(POSTGRES, str(error), by=REPORTER)
        else:
            journal.dependency_ready(POSTGRES, by=REPORTER)

    def _report_standby(self, journal: Journal, since: float | None) -> float | None:
        """Since when a commit waits, on the clock of `monotonic_s`; `since` is what was reported before."""
        self._changed = trio.Event()
        now = clocks.monotonic_s()
        if self._waiting and since is None:
            since = now
            journal.standby_awaited(sessions=len(self._waiting))
        elif not self._waiting and since is not None:
            journal.standby_no_longer_awaited(waited_ms=(now - since) * 1_000)
            since = None
        return since
