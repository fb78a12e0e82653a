"""The session of a store: opened when it is needed, numbered, and closed when it is lost."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio
from psycopg import pq

from processor.edges.postgres.connection import TrioConnection
from processor.edges.postgres.errors import translated
from processor.edges.postgres.standby import CommitWait
from processor.errors import PostgresError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.edges.ports import StandbyObserver
    from processor.edges.postgres.opening import Opening


class Session:
    """One connection at a time, for one task at a time.

    After `connect`, a command runs in a block of `command` or `commit`, whose psycopg errors become
    PostgresError.
    """

    def __init__(self, opening: Opening, *, hosts: str, observer: StandbyObserver | None) -> None:
        self._opening = opening
        self._hosts = hosts
        self._observer = observer
        self.connection: TrioConnection | None = None
        # After a failure that the session survived, a pooler may have given it another server process.
        self._is_doubtful = False
        self.number = 0
        self.has_staging = False
        self.has_insert = False

    @property
    def where(self) -> str:
        """Host and port of the connection, or of all hosts before there is one; never a credential."""
        connection = self.connection
        if connection is None or connection.closed:
            return self._hosts
        return f"{connection.info.host}:{connection.info.port}"

    async def connect(self) -> None:
        """Open a connection unless there is an idle one. Raises PostgresError."""
        with translated(self._hosts, lambda: False):
            if self.connection is None or not _is_idle(self.connection):
                await self.close()
                self.connection = await self._opening.open()
                self.number += 1
            elif self._is_doubtful:
                await self._check_again(self.connection)
        self._is_doubtful = False

    async def close(self) -> None:
        """Close the connection without waiting for the server."""
        connection, self.connection = self.connection, None
        self.has_staging = self.has_insert = False
        if connection is not None:
            await connection.close()

    @contextmanager
    def command(self, limit_ms: int | None = None) -> Iterator[TrioConnection]:
        """For a command that commits nothing: it is stopped on the server at the limit, or when cancelled."""
        limit_ms = limit_ms or self._opening.limits.write_timeout_ms
        deadline = trio.current_time() + limit_ms / 1000
        with self._translated() as connection, connection.time_limit(deadline, limit_ms):
            yield connection

    @contextmanager
    def commit(self) -> Iterator[tuple[TrioConnection, CommitWait]]:
        """For a command that commits: it is never stopped on the server, only waited for or left alone."""
        connection = self._connected
        limit_ms = self._opening.limits.write_timeout_ms
        wait = CommitWait(limit_ms, self._observer, connection.backend_pid)
        with self._translated(wait):
            yield connection, wait

    @contextmanager
    def _translated(self, wait: CommitWait | None = None) -> Iterator[TrioConnection]:
        connection = self._connected
        try:
            with translated(
                self.where, lambda: _is_idle(connection), session=self.number, wait=wait
            ):
                yield connection
        except PostgresError:
            self._is_doubtful = connection.is_pooled
            raise

    @property
    def _connected(self) -> TrioConnection:
        assert self.connection is not None, "connect() comes first"
        return self.connection

    async def _check_again(self, connection: TrioConnection) -> None:
        try:
            await self._opening.check_again(connection)
        except BaseException:
            await self.close()
            raise


def _is_idle(connection: TrioConnection) -> bool:
    return connection.info.transaction_status == pq.TransactionStatus.IDLE
