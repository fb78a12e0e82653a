"""Opens sessions: connected, with a server process that is theirs alone, and with our settings.

A pooler in pool_mode transaction or statement is refused: it gives a session's statements to server processes as it
likes. There the settings and the staging table belong to anybody, and a commit is no fence behind a probe.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
import trio

from processor.edges.postgres.connection import TrioConnection
from processor.edges.postgres.errors import UnfitSession
from processor.edges.postgres.settings import apply_settings, identify, session_settings

if TYPE_CHECKING:
    from processor.edges.postgres.limits import StoreLimits

_REMEDY: Final = "set pool_mode = session for this database, or connect to PostgreSQL itself"
# A pool in session mode may have no server left for a second session, which is fine.
_SECOND_SESSION_S_MAX: Final = 1.0
# A pool of two that takes turns gives the other server the second time.
_LOOKS: Final = 3


@dataclass(frozen=True)
class Opening:
    """Where to connect to, and how long to wait."""

    params: dict[str, Any]
    limits: StoreLimits

    async def open(self) -> TrioConnection:
        """Open a session that is ready to use. Raises psycopg.Error."""
        connection = await self._connect()
        try:
            with self._limited(connection):
                connection.backend_pid, commits = await identify(connection)
                if connection.is_pooled:
                    await self._refuse_shared_servers(connection)
                await self._apply_settings(connection, commits)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def check_again(self, connection: TrioConnection) -> None:
        """Check that it is still the same server process, with the same settings. Raises psycopg.Error."""
        with self._limited(connection):
            pid, commits = await identify(connection)
            _refuse_another_process(pid, connection.backend_pid)
            await self._apply_settings(connection, commits)

    def _limited(self, connection: TrioConnection) -> AbstractContextManager[None]:
        limit_ms = self.limits.connect_timeout_ms
        return connection.time_limit(trio.current_time() + limit_ms / 1000, limit_ms)

    async def _apply_settings(self, connection: TrioConnection, commits: str) -> None:
        # The writer itself gives up, and cancels what it may, at half of it.
        ours = session_settings(statement_timeout_ms=2 * self.limits.write_timeout_ms)
        await apply_settings(connection, ours, commits=commits)

    async def _connect(self) -> TrioConnection:
        return await TrioConnection.connect(
            connect_timeout_ms=self.limits.connect_timeout_ms,
            cancel_grace_ms=self.limits.cancel_grace_ms,
            **self.params,
        )

    async def _refuse_shared_servers(self, session: TrioConnection) -> None:
        """Open a second session while the first one is idle: it must not get the first one's server process.

        Raises UnfitSession.
        """
        with trio.move_on_after(_SECOND_SESSION_S_MAX):
            try:
                second = await self._connect()
            except psycopg.OperationalError:
                return
            async with second:
                await _refuse_statement_mode(second)
                if (await identify(second))[0] == session.backend_pid:
                    raise _shares_servers("transaction")
        for _ in range(_LOOKS):
            _refuse_another_process((await identify(session))[0], session.backend_pid)


def _refuse_another_process(pid: int, former_pid: int) -> None:
    """Check that the session still has the server process that it had before. Raises UnfitSession."""
    if pid != former_pid:
        raise _shares_servers("transaction")


async def _refuse_statement_mode(session: TrioConnection) -> None:
    try:
        await session.execute("BEGIN")
    except psycopg.Error as error:
        raise _shares_servers("statement", str(error)) from error


def _shares_servers(mode: str, answer: str = "") -> UnfitSession:
    quoted = f" ({answer})" if answer else ""
    return UnfitSession(
        f"a pooler such as PgBouncer in {mode} mode stands before PostgreSQL{quoted}, where sessions share servers"
        f" and settings do not last: {_REMEDY}"
    )
