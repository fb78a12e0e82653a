"""Opens sessions: connected, on a server that is theirs alone, with the settings that are ours."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from processor.edges.postgres.connection import TrioConnection
from processor.edges.postgres.pooler import refuse_another_server, refuse_shared_servers
from processor.edges.postgres.settings import identify, session_settings, settle

if TYPE_CHECKING:
    from processor.edges.postgres.limits import StoreLimits


@dataclass(frozen=True)
class Opening:
    """Where to connect to, and how long to wait."""

    params: dict[str, Any]
    limits: StoreLimits

    async def open(self) -> TrioConnection:
        """A session that is ready. Raises psycopg.Error."""
        connection = await self._connect()
        try:
            with self._limited(connection):
                connection.backend_pid, commits = await identify(connection)
                if connection.is_pooled:
                    await refuse_shared_servers(connection, self._connect)
                await self._settle(connection, commits)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def look_again(self, connection: TrioConnection) -> None:
        """See that it is still the same server, with the same settings. Raises psycopg.Error."""
        with self._limited(connection):
            pid, commits = await identify(connection)
            refuse_another_server(pid, connection.backend_pid)
            await self._settle(connection, commits)

    def _limited(self, connection: TrioConnection) -> AbstractContextManager[None]:
        limit_ms = self.limits.connect_timeout_ms
        return connection.time_limit(trio.current_time() + limit_ms / 1000, limit_ms)

    async def _settle(self, connection: TrioConnection, commits: str) -> None:
        # The writer itself gives up, and cancels what it may, at half of it.
        ours = session_settings(statement_timeout_ms=2 * self.limits.write_timeout_ms)
        await settle(connection, ours, commits=commits)

    async def _connect(self) -> TrioConnection:
        return await TrioConnection.connect(
            connect_timeout_ms=self.limits.connect_timeout_ms,
            cancel_grace_ms=self.limits.cancel_grace_ms,
            **self.params,
        )
