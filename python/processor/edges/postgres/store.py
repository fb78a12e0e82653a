"""The PostgreSQL session that writes positions, and asks for what it needs to know before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.core.schema import KEY_COLUMNS, TABLE, WRITTEN_COLUMNS, compare
from processor.edges.ports import Commit, Sighting
from processor.edges.postgres.canary import cross_examine, try_sound_row
from processor.edges.postgres.conninfo import describe_hosts, parse_url
from processor.edges.postgres.limits import StoreLimits
from processor.edges.postgres.opening import Opening
from processor.edges.postgres.rows import first_row
from processor.edges.postgres.schema_query import COLUMN_LIST, plan_write, read_table_facts
from processor.edges.postgres.session import Session
from processor.edges.postgres.settings import START_UP
from processor.errors import SchemaMismatch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from processor.core.write_errors import Evidence
    from processor.edges.ports import Bystander
    from telemetry._codec import Batch, Keys

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
).encode()
# One message is one transaction. Ordered, because two writers that insert the same keys in
# different orders deadlock.
_COPY_STAGED = (
    f"COPY pg_temp.{_STAGING} ({COLUMN_LIST}) FROM STDIN (FORMAT binary);"
    f"INSERT INTO {TABLE} ({COLUMN_LIST}) SELECT {COLUMN_LIST} FROM pg_temp.{_STAGING}"
    f" ORDER BY {', '.join(KEY_COLUMNS)} ON CONFLICT ({', '.join(KEY_COLUMNS)}) DO NOTHING"
).encode()

# Any role may call it; a statement that changes nothing would commit without a word to the standbys.
_CONFIRM = b"SELECT pg_catalog.pg_logical_emit_message(true, 'processor', '')"
# A role sees this of its own sessions, and all of the service's are of one role.
_WAITS_FOR = "SELECT wait_event FROM pg_catalog.pg_stat_activity WHERE pid = $1"
_STANDBY = "SyncRep"

# A lower bound that every timestamp keeps.
_EVER = "-infinity"


class PostgresStore:
    """A PositionStore on one connection, for one task at a time."""

    def __init__(
        self,
        url: str,
        *,
        instance_id: str,
        limits: StoreLimits | None = None,
        bystander: Bystander | None = None,
    ) -> None:
        """Parse the URL; nothing is connected yet. `bystander` is asked about commits that are overdue.

        Raises ConfigError.
        """
        ours = {"application_name": f"processor/{instance_id}", **START_UP}
        params = {**parse_url(url), **ours}
        self._limits = limits or StoreLimits()
        self._session = Session(
            Opening(params, self._limits), hosts=describe_hosts(params), bystander=bystander
        )

    @property
    def where(self) -> str:
        """Host and port of the connection, or of all candidates without one; never a credential."""
        return self._session.where

    async def connect(self) -> None:
        """Connect to the first host that lets us in, unless an idle connection is there."""
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

        The server counts the rows that it kept: what it did not count, a trigger has swallowed.
        """
        await self.connect()
        with self._session.commit() as (connection, wait):
            chunks = batch.copy_chunks(COPY_CHUNK_BYTES)
            inserted = await connection.copy_in(COPY_DIRECT, chunks, wait)
        return await self._fenced(inserted, discarded=batch.rows - inserted)

    async def copy_staged(self, batch: Batch) -> Commit:
        """COPY into the staging table and insert what is new, in one transaction.

        `discarded` is 0: to ON CONFLICT a row that a trigger swallows and one whose key is there look
        alike, and a look at the keys afterwards would err where a trigger changes them.
        """
        await self.connect()
        session = self._session
        if not session.has_staging:
            with session.commit() as (connection, wait):
                await connection.commit_statement(_CREATE_STAGING, wait)
        # After a failure it is looked for again: a pooler may have given us another session.
        session.has_staging = False
        with session.commit() as (connection, wait):
            chunks = batch.copy_chunks(COPY_CHUNK_BYTES)
            inserted = await connection.copy_in(_COPY_STAGED, chunks, wait)
        session.has_staging = True
        return await self._fenced(inserted)

    async def probe(self, keys: Keys) -> Sighting:
        """Look each key up in the index, faulty rows included."""
        await self.connect()
        with self._session.command() as connection:
            known = await connection.probe(keys)
        return Sighting(self._session.number, known)

    async def confirm(self) -> Commit:
        """Write an empty transactional message, which the standbys must confirm like any other commit."""
        await self.connect()
        return await self._confirm()

    async def cross_examine(self, accused: Batch, *, entry_ms: int) -> Evidence:
        """Ask the table, in one transaction."""
        await self.connect()
        with self._session.command() as connection:
            return await cross_examine(connection, first_row(accused), entry_ms=entry_ms)

    async def try_canary(self) -> Commit:
        """A row that is rolled back, and behind it the message of `confirm`."""
        await self.connect()
        with self._session.command() as connection:
            await try_sound_row(connection)
        return await self._confirm()

    async def restore(
        self, query: str, device_ids: Sequence[str], since: datetime | None
    ) -> list[tuple[object, ...]]:
        """Run the query under a limit of its own."""
        await self.connect()
        with self._session.command(self._limits.restore_timeout_ms) as connection:
            return await connection.fetch_raw(query, (list(device_ids), since or _EVER))

    async def ping(self) -> None:
        """Run the least statement there is."""
        await self.connect()
        with self._session.command() as connection:
            await connection.execute("SELECT")

    async def awaits_standby(self, pid: int) -> bool:
        """Look among the server's processes."""
        await self.connect()
        with self._session.command() as connection:
            found = await connection.fetch_raw(_WAITS_FOR, (pid,))
        return found == [(_STANDBY,)]

    async def aclose(self) -> None:
        """Close the connection without waiting for the server."""
        await self._session.close()

    async def _fenced(self, inserted: int, *, discarded: int = 0) -> Commit:
        """What has inserted nothing has committed nothing that a standby would confirm."""
        if not inserted:
            await self._confirm()
        return Commit(self._session.number, inserted, discarded)

    async def _confirm(self) -> Commit:
        # Without connecting: on another session it would be no fence behind what this one has seen.
        with self._session.commit() as (connection, wait):
            await connection.commit_statement(_CONFIRM, wait)
        return Commit(self._session.number, inserted=0)
