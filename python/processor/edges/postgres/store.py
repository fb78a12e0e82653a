"""A PositionStore on a PostgreSQL server: the door to probing, writing, canaries and the schema check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.core.schema import compare
from processor.core.small_batches import is_small
from processor.edges.ports import Commit, ProbeResult
from processor.edges.postgres.canary import gather_evidence, try_sound_row
from processor.edges.postgres.catalog import plan_write, read_table_facts
from processor.edges.postgres.connecting import describe_hosts, parse_url
from processor.edges.postgres.copying import (
    COPY_CHUNK_BYTES,
    COPY_DIRECT,
    COPY_STAGED,
    CREATE_STAGING,
)
from processor.edges.postgres.inserting import INVALID_STATEMENT_NAME
from processor.edges.postgres.limits import StoreLimits
from processor.edges.postgres.opening import Opening
from processor.edges.postgres.rows import first_row
from processor.edges.postgres.session import Session
from processor.edges.postgres.settings import START_UP
from processor.errors import PostgresError, SchemaMismatch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from processor.core.write_errors import Evidence
    from processor.edges.ports import StandbyObserver
    from telemetry._codec import Batch, Keys

# Any role may call it; a statement that changes nothing would commit without waiting for the standbys.
_CONFIRM = b"SELECT pg_catalog.pg_logical_emit_message(true, 'processor', '')"
# A role may see this for its own sessions, and the service has one role for all of its sessions.
_WAITS_FOR = "SELECT wait_event FROM pg_catalog.pg_stat_activity WHERE pid = $1"
_STANDBY = "SyncRep"

# A lower bound for every timestamp.
_EVER = "-infinity"


class PostgresStore:
    """A PositionStore on one connection, for one task at a time."""

    def __init__(
        self,
        url: str,
        *,
        instance_id: str,
        limits: StoreLimits | None = None,
        observer: StandbyObserver | None = None,
    ) -> None:
        """Parse the URL; nothing is connected yet. `observer` is asked about commits that are overdue.

        Raises ConfigError.
        """
        ours = {"application_name": f"processor/{instance_id}", **START_UP}
        params = {**parse_url(url), **ours}
        self._limits = limits or StoreLimits()
        self._session = Session(
            Opening(params, self._limits), hosts=describe_hosts(params), observer=observer
        )

    @property
    def where(self) -> str:
        """Host and port of the connection, or of all hosts before there is one; never a credential."""
        return self._session.where

    async def connect(self) -> None:
        """Connect to the first host that accepts us, unless there is an idle connection."""
        await self._session.connect()

    async def check_schema(self) -> tuple[str, ...]:
        """Compare the catalogue with the contract, then have the server plan a write."""
        await self.connect()
        with self._session.command() as connection:
            findings = compare(await read_table_facts(connection))
            differences = findings.differences or await plan_write(connection)
        if differences:
            raise SchemaMismatch(differences)
        return findings.warnings

    async def copy_direct(self, batch: Batch) -> Commit:
        """COPY into the table; the statement is a transaction of its own.

        The server counts the rows that it kept: a trigger has dropped the others.
        """
        await self.connect()
        with self._session.commit() as (connection, wait):
            chunks = batch.copy_chunks(COPY_CHUNK_BYTES)
            inserted = await connection.copy_in(COPY_DIRECT, chunks, wait)
        return await self._fenced(inserted, discarded=batch.rows - inserted)

    async def insert_new(self, batch: Batch) -> Commit:
        """Insert a small batch from arrays in one round trip, and a large one through the staging table."""
        await self.connect()
        insert = (
            self._insert_arrays
            if is_small(rows=batch.rows, row_bytes=batch.row_bytes)
            else self._insert_staged
        )
        return await self._fenced(await insert(batch))

    async def probe(self, keys: Keys) -> ProbeResult:
        """Look each key up in the index, faulty rows included."""
        await self.connect()
        with self._session.command() as connection:
            known = await connection.probe(keys)
        return ProbeResult(self._session.number, known)

    async def confirm(self) -> Commit:
        """Write an empty transactional message, which the standbys must confirm like any other commit."""
        await self.connect()
        return await self._confirm()

    async def gather_evidence(self, refused: Batch, *, entry_ms: int) -> Evidence:
        """Try copies of sound rows and then the refused row, in one transaction that is rolled back."""
        await self.connect()
        with self._session.command() as connection:
            return await gather_evidence(connection, first_row(refused), entry_ms=entry_ms)

    async def try_canary(self) -> Commit:
        """Insert a row that is rolled back, and then commit the message of `confirm`."""
        await self.connect()
        with self._session.command() as connection:
            await try_sound_row(connection)
        return await self._confirm()

    async def restore(
        self, query: str, device_ids: Sequence[str], since: datetime | None
    ) -> list[tuple[object, ...]]:
        """Run the query within `restore_timeout_ms`."""
        await self.connect()
        with self._session.command(self._limits.restore_timeout_ms) as connection:
            return await connection.fetch_raw(query, (list(device_ids), since or _EVER))

    async def ping(self) -> None:
        """Run an empty SELECT."""
        await self.connect()
        with self._session.command() as connection:
            await connection.execute("SELECT")

    async def awaits_standby(self, pid: int) -> bool:
        """Look at the process in pg_stat_activity."""
        await self.connect()
        with self._session.command() as connection:
            found = await connection.fetch_raw(_WAITS_FOR, (pid,))
        return found == [(_STANDBY,)]

    async def aclose(self) -> None:
        """Close the connection without waiting for the server."""
        await self._session.close()

    async def _insert_arrays(self, batch: Batch) -> int:
        arrays = batch.insert_arrays()
        session = self._session
        if session.has_insert:
            try:
                return await self._run_insert(arrays)
            except PostgresError as error:
                if error.sqlstate != INVALID_STATEMENT_NAME:
                    raise
        with session.command() as connection:
            await connection.prepare_insert()
        session.has_insert = True
        return await self._run_insert(arrays)

    async def _run_insert(self, arrays: Sequence[bytes]) -> int:
        with self._session.commit() as (connection, wait):
            return await connection.insert_arrays(arrays, wait)

    async def _insert_staged(self, batch: Batch) -> int:
        """COPY into the staging table and insert what is new, in one transaction."""
        session = self._session
        if not session.has_staging:
            with session.commit() as (connection, wait):
                await connection.commit_statement(CREATE_STAGING, wait)
        # After a failure the table is created again if missing: a pooler may have given us another session.
        session.has_staging = False
        with session.commit() as (connection, wait):
            chunks = batch.copy_chunks(COPY_CHUNK_BYTES)
            inserted = await connection.copy_in(COPY_STAGED, chunks, wait)
        session.has_staging = True
        return inserted

    async def _fenced(self, inserted: int, *, discarded: int = 0) -> Commit:
        """The commit, behind a fence if nothing was inserted: that commits nothing that a standby would confirm."""
        if not inserted:
            await self._confirm()
        return Commit(self._session.number, inserted, discarded)

    async def _confirm(self) -> Commit:
        # Without connecting: on another session it would be no fence behind what this one saw.
        with self._session.commit() as (connection, wait):
            await connection.commit_statement(_CONFIRM, wait)
        return Commit(self._session.number, inserted=0)
