"""The session of an operator's command: it reads, bounded in time, and leaves nothing behind on the server.

Each look is a read-only transaction whose settings end with it. So it also works behind a pooler that shares sessions
(PgBouncer in transaction mode), where a setting of the session would reach other clients, and on a standby.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
import trio
from psycopg import pq

from processor.core.schema import Findings, compare
from processor.edges.postgres.catalog import plan_write, read_table_facts
from processor.edges.postgres.connecting import describe_hosts, parse_url
from processor.edges.postgres.connection import TrioConnection
from processor.edges.postgres.errors import translated
from processor.edges.postgres.settings import START_UP, apply_in_transaction, session_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from processor.config.postgres_target import PostgresTarget

APPLICATION_NAME: Final = "processor/operator"

_BEGIN: Final = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_END: Final = "ROLLBACK"


@dataclass(frozen=True)
class OperatorLimits:
    """How long a person is kept waiting."""

    connect_timeout_ms: int = 3_000
    """For each address of each host."""
    look_timeout_ms: int = 10_000
    """For one look, with all its statements."""
    cancel_grace_ms: int = 300
    """For the server to confirm that it stopped the statement."""


class OperatorSession:
    """An open session, for one task at a time. A failure that it does not survive closes it."""

    def __init__(self, connection: TrioConnection, where: str, limits: OperatorLimits) -> None:
        self._connection = connection
        self._limits = limits
        self.where = where
        """Host and port; never a credential."""

    async def fetch(
        self, query: str, parameters: Sequence[object] = (), *, limit_ms: int | None = None
    ) -> list[tuple[Any, ...]]:
        """The rows of one query, with psycopg's placeholders `%s`. Raises PostgresError.

        Names are to be qualified: the role's search_path is not used.
        """
        async with self.look(limit_ms) as connection:
            return await (await connection.execute(query.encode(), parameters)).fetchall()

    async def table_findings(self) -> Findings:
        """Compare the table with the contract, as the service does at its start. Raises PostgresError."""
        async with self.look() as connection:
            findings = compare(await read_table_facts(connection))
            if findings.differences:
                return findings
            # Last: a refused statement ends the transaction.
            return Findings(await plan_write(connection), findings.warnings)

    @asynccontextmanager
    async def look(self, limit_ms: int | None = None) -> AsyncIterator[TrioConnection]:
        """The connection in a transaction that sees one state of the database, for the block.

        Raises PostgresError for every psycopg.Error of the block.
        """
        limit_ms = limit_ms or self._limits.look_timeout_ms
        connection = self._connection
        deadline = trio.current_time() + limit_ms / 1000
        with (
            translated(self.where, lambda: not connection.closed, session=1),
            connection.time_limit(deadline, limit_ms),
        ):
            try:
                await connection.execute(_BEGIN)
                # The server gives up by itself if this process is gone.
                ours = session_settings(statement_timeout_ms=2 * limit_ms)
                await apply_in_transaction(connection, ours)
                yield connection
                await connection.execute(_END)
            except psycopg.Error:
                if not connection.closed:
                    await connection.execute(_END)
                raise
            finally:
                if connection.info.transaction_status != pq.TransactionStatus.IDLE:
                    await connection.close()


@asynccontextmanager
async def open_operator_session(
    target: PostgresTarget, limits: OperatorLimits | None = None
) -> AsyncIterator[OperatorSession]:
    """Connect for the block to the first host that accepts us. Raises ConfigError, PostgresError."""
    limits = limits or OperatorLimits()
    ours = {"application_name": APPLICATION_NAME, **START_UP}
    params: dict[str, Any] = {**parse_url(target.conninfo), **ours}
    with translated(describe_hosts(params), lambda: False):
        connection = await TrioConnection.connect(
            connect_timeout_ms=limits.connect_timeout_ms,
            cancel_grace_ms=limits.cancel_grace_ms,
            **params,
        )
    async with connection:
        info = connection.info
        yield OperatorSession(connection, f"{info.host}:{info.port}", limits)
