"""How long to wait for a commit: to its deadline, and beyond it while the server waits for a synchronous standby.

If a commit that waits for a standby is cancelled, its rows become visible at once, and are lost if the primary dies
then. If its session is closed, it stays on the server until the standby is back, and counts against the role's
connection limit. So such a commit is waited for.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psycopg
import trio

from processor.errors import PostgresError
from telemetry.chassis import clocks, progress

if TYPE_CHECKING:
    from psycopg.errors import Diagnostic

    from processor.edges.ports import StandbyObserver

ASK_EVERY_S: Final = 1.0
# For the observer to answer, which may have to connect first.
ASKING_S_MAX: Final = 5.0

# Every warning from this function of src/backend/replication/syncrep.c says that the wait was ended from
# outside. The function's name is the same in every language.
_WAIT_FOR_STANDBY: Final = "SyncRepWaitForLSN"


class CommitWait:
    """The wait for the answer to one command that commits."""

    __slots__ = (
        "_observer",
        "_pid",
        "_was_given_up",
        "_was_overdue",
        "awaits_standby",
        "deadline",
        "limit_ms",
    )

    def __init__(
        self, limit_ms: float = math.inf, observer: StandbyObserver | None = None, pid: int = 0
    ) -> None:
        """The limit begins now; `observer` is asked what the server's process `pid` waits for."""
        self.limit_ms = limit_ms
        self.deadline = clocks.monotonic_s() + limit_ms / 1000
        self.awaits_standby = False
        """Whether the server waits for a standby, as far as is known, or has given that up."""
        self._observer = observer
        self._pid = pid
        self._was_overdue = False
        self._was_given_up = False

    async def extend(self) -> float:
        """Seconds to go on waiting. Raises psycopg.OperationalError if there is nothing to wait for."""
        if not await self._is_worth_waiting():
            raise psycopg.OperationalError(f"no answer within {self.limit_ms} ms")
        return ASK_EVERY_S

    async def _is_worth_waiting(self) -> bool:
        # A session that must end and has a temporary table still waits for a standby, in order to drop the table.
        if self._observer is None or self._was_given_up:
            return False
        self._was_overdue = True
        ends_at = trio.current_time() + ASKING_S_MAX
        with trio.move_on_at(ends_at), progress.waiting(ends_at), suppress(PostgresError):
            self.awaits_standby = await self._observer.awaits_standby(self._pid)
            return self.awaits_standby
        return False

    def notice(self, diagnostic: Diagnostic) -> None:
        """Look at a notice that the server sends beside its answer."""
        if diagnostic.source_function == _WAIT_FOR_STANDBY:
            self.awaits_standby = self._was_given_up = True

    def check(self) -> None:
        """Raises psycopg.OperationalError for an answer that came without the standby's confirmation."""
        if self._was_given_up:
            raise psycopg.OperationalError(
                "the wait for a standby was ended from outside: the commit may be on this server alone"
            )

    def end(self) -> None:
        """The wait has ended, in a commit or not."""
        if self._was_overdue and self._observer is not None:
            self._observer.wait_ended(self._pid)
