"""The session of a store: opened when it is needed, numbered, and closed when it is lost."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import trio
from psycopg import pq

from processor.edges.postgres.connection import TrioConnection
from processor.edges.postgres.errors import as_postgres_error, translated
from processor.edges.postgres.standby import CommitWait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from processor.edges.ports import StandbyObserver
    from processor.edges.postgres.opening import Opening
    from processor.errors import PostgresError


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
        self._place = ""
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
        return self._place

    async def connect(self) -> None:
        """Open a connection unless there is an idle one. Raises PostgresError."""
        connection = self.connection
        # Every batch comes this way.
        if (
            connection is not None
            and connection.pgconn.transaction_status == pq.TransactionStatus.IDLE
            and not self._is_doubtful
        ):
            return
        with translated(self._hosts, lambda: False):
            if self.connection is None or not _is_idle(self.connection):
                await self.close()
                self.connection = opened = await self._opening.open()
                self._place = f"{opened.info.host}:{opened.info.port}"
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
        connection = self._connected
        limit_ms = limit_ms or self._opening.limits.write_timeout_ms
        deadline = trio.current_time() + limit_ms / 1000
        try:
            with connection.time_limit(deadline, limit_ms):
                yield connection
        except psycopg.Error as error:
            raise self.failure(error, connection) from error

    def commit(self) -> CommitBlock:
        """For a command that commits: it is never stopped on the server, only waited for or left alone."""
        connection = self._connected
        limit_ms = self._opening.limits.write_timeout_ms
        return CommitBlock(
            self, connection, CommitWait(limit_ms, self._observer, connection.backend_pid)
        )

    def failure(
        self, error: psycopg.Error, connection: TrioConnection, wait: CommitWait | None = None
    ) -> PostgresError:
        """The error of a command that failed, which may leave the session in doubt."""
        self._is_doubtful = connection.is_pooled
        return as_postgres_error(
            error,
            where=self._place,
            connection_usable=_is_idle(connection),
            session=self.number,
            wait=wait,
        )

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


class CommitBlock:
    """A block for one command that commits. Each batch has one, and a generator would cost several times as much."""

    __slots__ = ("_connection", "_session", "_wait")

    def __init__(self, session: Session, connection: TrioConnection, wait: CommitWait) -> None:
        self._session, self._connection, self._wait = session, connection, wait

    def __enter__(self) -> tuple[TrioConnection, CommitWait]:
        return self._connection, self._wait

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(exc, psycopg.Error):
            raise self._session.failure(exc, self._connection, self._wait) from exc


def _is_idle(connection: TrioConnection) -> bool:
    return connection.pgconn.transaction_status == pq.TransactionStatus.IDLE
