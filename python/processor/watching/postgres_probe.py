"""A session beside the writers', which asks whether PostgreSQL answers, and what a silent session waits for."""

from __future__ import annotations

from typing import NoReturn

import trio

from processor.edges.ports import PositionStore
from processor.edges.retrying import Dependency
from processor.errors import PostgresError
from processor.journal import events

INTERVAL_S = 2.0
REPORTER = "probe"
STANDBY_REPORTER = "standby"
AWAITED = (
    "PostgreSQL waits for a standby to confirm a commit: look at pg_stat_replication and"
    " synchronous_standby_names on the primary"
)


class PostgresProbe:
    """One session for all who have a question, the writers' stores among them.

    A session for each question would not do: one that is closed while the server waits for a standby
    stays there and counts against the role's limit.
    """

    def __init__(self, store: PositionStore) -> None:
        self._store = store
        self._turn = trio.Lock()
        self._waiting: set[int] = set()
        self._changed = trio.Event()

    async def run(self, postgres: Dependency) -> NoReturn:
        """Ask every other second, and report commits that wait for a standby, until cancelled.

        A server that is frozen in the middle of a write is noticed here long before the write gives up.
        Owns its store, loses nothing, raises nothing.
        """
        waits_since: float | None = None
        while True:
            await self._ping(postgres)
            waits_since = self._tell_of_standby(postgres, waits_since)
            with trio.move_on_after(INTERVAL_S):
                await self._changed.wait()

    async def awaits_standby(self, pid: int) -> bool:
        """Whether the server's process `pid` waits for a standby to confirm its commit. Raises PostgresError."""
        async with self._turn:
            waits = await self._store.awaits_standby(pid)
        if waits and pid not in self._waiting:
            self._waiting.add(pid)
            self._changed.set()
        return waits

    def wait_ended(self, pid: int) -> None:
        """The wait of that process has ended, in a commit or not."""
        if pid in self._waiting:
            self._waiting.remove(pid)
            self._changed.set()

    async def aclose(self) -> None:
        """Close the session; never raises."""
        await self._store.aclose()

    async def _ping(self, postgres: Dependency) -> None:
        try:
            async with self._turn:
                await self._store.ping()
        except PostgresError as error:
            postgres.recorder.dependency_lost(postgres.name, str(error), by=REPORTER)
        else:
            postgres.recorder.dependency_ready(postgres.name, by=REPORTER)

    def _tell_of_standby(self, postgres: Dependency, since: float | None) -> float | None:
        """Since when some commit waits, a time of Trio's clock; `since` is what was reported before."""
        self._changed = trio.Event()
        now = trio.current_time()
        if self._waiting and since is None:
            since = now
            events.standby_awaited(postgres.log, sessions=len(self._waiting))
        if self._waiting and since is not None:
            postgres.recorder.dependency_lost(postgres.name, AWAITED, by=STANDBY_REPORTER)
        elif since is not None:
            postgres.recorder.dependency_ready(postgres.name, by=STANDBY_REPORTER)
            events.standby_no_longer_awaited(postgres.log, waited_ms=(now - since) * 1_000)
            since = None
        return since
