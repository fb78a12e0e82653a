"""The PostgreSQL session that writes positions, and asks for what it needs to know before."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
import trio
from psycopg import pq

from processor.core.schema import KEY_COLUMNS, TABLE, WRITTEN_COLUMNS, compare
from processor.edges.ports import Commit, Sighting
from processor.edges.postgres.canary import cross_examine, try_sound_row
from processor.edges.postgres.connection import TrioConnection
from processor.edges.postgres.conninfo import describe_hosts, parse_url, with_settings
from processor.edges.postgres.errors import translated
from processor.edges.postgres.rows import first_row
from processor.edges.postgres.schema_query import COLUMN_LIST, PROBE, read_table_facts
from processor.errors import SchemaMismatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from processor._codec import Batch, Keys
    from processor.core.evidence import Evidence

# Larger pieces cost libpq more memmove when the socket takes only a part, smaller ones more calls.
# CPU was flat from 64 KiB to 512 KiB on TCP and on a Unix socket alike.
COPY_CHUNK_BYTES: Final = 256 * 1024

_STAGING = "processor_staging"
COPY_DIRECT: Final = f"COPY {TABLE} ({COLUMN_LIST}) FROM STDIN (FORMAT binary)".encode()
# Kept for the session: a table for each batch bloats the catalogue.
_CREATE_STAGING = (
    f"CREATE TEMPORARY TABLE IF NOT EXISTS {_STAGING} ("
    + ", ".join(f"{column.name} {column.type}" for column in WRITTEN_COLUMNS)
    + ") ON COMMIT DELETE ROWS"
)
# One message is one transaction. Ordered, because two writers that insert the same keys in
# different orders deadlock.
_COPY_STAGED = (
    f"COPY pg_temp.{_STAGING} ({COLUMN_LIST}) FROM STDIN (FORMAT binary);"
    f"INSERT INTO {TABLE} ({COLUMN_LIST}) SELECT {COLUMN_LIST} FROM pg_temp.{_STAGING}"
    f" ORDER BY {', '.join(KEY_COLUMNS)} ON CONFLICT ({', '.join(KEY_COLUMNS)}) DO NOTHING"
).encode()

# Any role may call it; a statement that changes nothing would commit without a word to the standbys.
_CONFIRM = "SELECT pg_catalog.pg_logical_emit_message(true, 'processor', '')"

# A lower bound that every timestamp keeps.
_EVER = "-infinity"


@dataclass(frozen=True)
class StoreLimits:
    """How long the store waits for a server before it gives up."""

    connect_timeout_ms: int = 5_000
    # The compressor at work has stalled a batch for 5 s: less would turn maintenance into failures.
    write_timeout_ms: int = 30_000
    # Writing waits for it, and can do without.
    restore_timeout_ms: int = 3_000
    # Beyond a deadline or a time-out, for the server to confirm that it stopped the command.
    cancel_grace_ms: int = 300


class PostgresStore:
    """A PositionStore on one connection, for one task at a time."""

    def __init__(self, url: str, *, instance_id: str, limits: StoreLimits | None = None) -> None:
        """Parse the URL; nothing is connected yet. Raises ConfigError."""
        self._limits = limits or StoreLimits()
        params = {**parse_url(url), "application_name": f"processor/{instance_id}"}
        self._params: dict[str, Any] = with_settings(params, _session_settings(self._limits))
        self._hosts = describe_hosts(params)
        self._connection: TrioConnection | None = None
        self._session = 0
        self._has_staging = False

    @property
    def where(self) -> str:
        """Host and port of the connection, or of all candidates without one; never a credential."""
        connection = self._connection
        if connection is None or connection.closed:
            return self._hosts
        return f"{connection.info.host}:{connection.info.port}"

    async def connect(self) -> None:
        """Connect to the first host that lets us in, unless an idle connection is there."""
        if self._connection is not None and _is_idle(self._connection):
            return
        await self.aclose()
        with translated(self._hosts, lambda: False):
            self._connection = await TrioConnection.connect(
                connect_timeout_ms=self._limits.connect_timeout_ms,
                cancel_grace_ms=self._limits.cancel_grace_ms,
                **self._params,
            )
        self._session += 1

    async def check_schema(self) -> tuple[str, ...]:
        """Compare the catalogue with the contract, then have the server plan a write."""
        await self.connect()
        with self._command() as connection:
            findings = compare(await read_table_facts(connection))
            differences = findings.differences or await _probe(connection)
        if differences:
            raise SchemaMismatch(differences)
        return findings.warnings

    async def copy_direct(self, batch: Batch) -> Commit:
        """COPY into the table; the statement is a transaction of its own."""
        await self.connect()
        with self._command() as connection:
            inserted = await connection.copy_in(COPY_DIRECT, batch.copy_chunks(COPY_CHUNK_BYTES))
        return Commit(self._session, inserted)

    async def copy_staged(self, batch: Batch) -> Commit:
        """COPY into the staging table and insert what is new, in one transaction."""
        await self.connect()
        with self._command() as connection:
            if not self._has_staging:
                await connection.execute(_CREATE_STAGING)
            # After a failure it is looked for again: a pooler may have given us another session.
            self._has_staging = False
            inserted = await connection.copy_in(_COPY_STAGED, batch.copy_chunks(COPY_CHUNK_BYTES))
            self._has_staging = True
        return Commit(self._session, inserted)

    async def probe(self, keys: Keys) -> Sighting:
        """Look each key up in the index, faulty rows included."""
        await self.connect()
        with self._command() as connection:
            known = await connection.probe(keys)
        return Sighting(self._session, known)

    async def confirm(self) -> Commit:
        """Write an empty transactional message, which the standbys must confirm like any other commit."""
        await self.connect()
        with self._command() as connection:
            await connection.execute(_CONFIRM)
        return Commit(self._session, inserted=0)

    async def cross_examine(self, accused: Batch, *, entry_ms: int) -> Evidence:
        """Ask the table, in one transaction."""
        await self.connect()
        with self._command() as connection:
            return await cross_examine(connection, first_row(accused), entry_ms=entry_ms)

    async def try_canary(self) -> Commit:
        """A row that is rolled back, and the message of `confirm` behind it."""
        await self.connect()
        with self._command() as connection:
            await try_sound_row(connection)
        return await self.confirm()

    async def restore(
        self, query: str, device_ids: Sequence[str], since: datetime | None
    ) -> list[tuple[object, ...]]:
        """Run the query under a limit of its own."""
        await self.connect()
        with self._command(self._limits.restore_timeout_ms) as connection:
            return await connection.fetch_raw(query, (list(device_ids), since or _EVER))

    async def ping(self) -> None:
        """Run the least statement there is."""
        await self.connect()
        with self._command() as connection:
            await connection.execute("SELECT")

    async def aclose(self) -> None:
        """Close the connection without waiting for the server."""
        connection, self._connection = self._connection, None
        self._has_staging = False
        if connection is not None:
            await connection.close()

    @contextmanager
    def _command(self, limit_ms: int | None = None) -> Iterator[TrioConnection]:
        connection = self._connection
        assert connection is not None, "connect() comes first"
        limit_ms = limit_ms or self._limits.write_timeout_ms
        with translated(self.where, lambda: _is_idle(connection), session=self._session):
            with trio.move_on_after(limit_ms / 1000) as scope:
                yield connection
            if scope.cancelled_caught:
                # A server that let itself be cancelled is there: the statement took too long.
                cancelled = psycopg.errors.QueryCanceled
                kind = cancelled if _is_idle(connection) else psycopg.OperationalError
                raise kind(f"no answer within {limit_ms} ms")


def _session_settings(limits: StoreLimits) -> dict[str, str]:
    """What must hold for this session whatever the role or the database say."""
    return {
        # An acknowledgement follows each commit.
        "synchronous_commit": "on",
        # The backstop for a command whose client has vanished: the writer itself gives up, and
        # cancels, at half of it. Lock waits are under the same bound.
        "statement_timeout": str(2 * limits.write_timeout_ms),
        "lock_timeout": "0",
        # A night without positions is no reason to lose the connection.
        "idle_session_timeout": "0",
        "client_min_messages": "warning",
        # Of a hypertable: a probe names its span, and to judge each chunk anew for each key took
        # five times as long as the lookups themselves. A server without TimescaleDB ignores it.
        "timescaledb.enable_runtime_exclusion": "off",
    }


def _is_idle(connection: TrioConnection) -> bool:
    return connection.info.transaction_status == pq.TransactionStatus.IDLE


async def _probe(connection: TrioConnection) -> tuple[str, ...]:
    try:
        await connection.execute(PROBE)
    except (psycopg.ProgrammingError, psycopg.NotSupportedError) as error:
        return (f"the server would refuse the write: {error.diag.message_primary}",)
    return ()
