"""How long a commit is waited for: to its deadline, and beyond it while the server waits for a standby.

To cancel a commit that waits for a standby makes its rows visible at once, and a primary that dies then
takes them along. To close its session leaves it on the server until the standby is back, where it
counts against the role's limit. So such a commit is left to wait.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psycopg
import trio

from processor.errors import PostgresError

if TYPE_CHECKING:
    from psycopg.errors import Diagnostic

    from processor.edges.ports import Bystander

ASK_EVERY_S: Final = 1.0
# For the bystander to answer, who may have to connect first.
ASKING_S_MAX: Final = 5.0

# Each warning that this function of src/backend/replication/syncrep.c gives says that the wait was
# ended from outside. The function's name is the same in every language.
_WAIT_FOR_STANDBY: Final = "SyncRepWaitForLSN"


class CommitWait:
    """The wait for the answer to one command that commits."""

    def __init__(
        self, limit_ms: float = math.inf, bystander: Bystander | None = None, pid: int = 0
    ) -> None:
        """The limit begins now; `bystander` is asked what the server's process `pid` waits for."""
        self.limit_ms = limit_ms
        self.deadline = trio.current_time() + limit_ms / 1000
        self.awaits_standby = False
        """Whether the server waits for a standby, as far as is known, or has given up doing so."""
        self._bystander = bystander
        self._pid = pid
        self._was_overdue = False
        self._was_given_up = False

    async def extend(self) -> float:
        """Seconds to go on waiting. Raises psycopg.OperationalError when there is nothing to wait for."""
        if not await self._is_worth_waiting():
            raise psycopg.OperationalError(f"no answer within {self.limit_ms} ms")
        return ASK_EVERY_S

    async def _is_worth_waiting(self) -> bool:
        # A session that is to end and has a temporary table still waits, to drop that one.
        if self._bystander is None or self._was_given_up:
            return False
        self._was_overdue = True
        with trio.move_on_after(ASKING_S_MAX), suppress(PostgresError):
            self.awaits_standby = await self._bystander.sees_waiting(self._pid)
            return self.awaits_standby
        return False

    def notice(self, diagnostic: Diagnostic) -> None:
        """Take note of what the server says beside its answer."""
        if diagnostic.source_function == _WAIT_FOR_STANDBY:
            self.awaits_standby = self._was_given_up = True

    def check(self) -> None:
        """Raises psycopg.OperationalError for an answer that came without the standby's word."""
        if self._was_given_up:
            raise psycopg.OperationalError(
                "the wait for a standby was ended from outside: the commit may be on this server alone"
            )

    def end(self) -> None:
        """The wait is over, whatever its end."""
        if self._was_overdue and self._bystander is not None:
            self._bystander.settled(self._pid)
