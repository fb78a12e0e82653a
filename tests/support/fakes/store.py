"""A PositionStore in memory, for tests: it reads the bytes of a COPY and keeps the rows."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from processor.core.write_errors import Evidence
from processor.edges.ports import Commit, ProbeResult
from processor.errors import PostgresError, SchemaMismatch
from tests.support.fakes.rows import (
    DAY_US,
    MICROSECOND,
    POSTGRES_EPOCH,
    POSTGRES_EPOCH_US,
    Key,
    Row,
    at,
    neutral_row,
    read_array,
    read_copy_rows,
)
from tests.support.fakes.table import FakeTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from telemetry._codec import Batch, Keys

DONORS_MAX = 3
# The canary's device if the table is empty.
NOBODY = "0"


class FakeStore:
    """One session on a FakeTable; each write raises the next one of `failures` before it begins."""

    where = "fake:5432"

    def __init__(self, table: FakeTable | None = None) -> None:
        self.table = table if table is not None else FakeTable()
        self.failures: deque[PostgresError] = deque()
        self.probe_failures: deque[PostgresError] = deque()
        self.restore_failures: deque[PostgresError] = deque()
        self.canary_failures: deque[PostgresError] = deque()
        self.connects = 0
        self._connected = False
        self._table_life = 0

    async def connect(self) -> None:
        """Begin a session, if the table is reachable and has not all the sessions that it accepts."""
        await trio.lowlevel.checkpoint()
        if self._connected:
            return
        table = self.table
        if not table.reachable:
            raise self.error("connection refused", usable=False)
        if table.sessions_max is not None and len(table.sessions) >= table.sessions_max:
            raise self.error("too many connections for role", sqlstate="53300", usable=False)
        table.sessions.add(self)
        self._connected, self._table_life = True, table.life
        self.connects += 1

    async def check_schema(self) -> tuple[str, ...]:
        """Raise the table's differences, if it has any."""
        await self.connect()
        self._check_alive()
        if self.table.differences:
            raise SchemaMismatch(self.table.differences)
        return ()

    async def copy_direct(self, batch: Batch) -> Commit:
        """Add all rows, or none if one is in the table already."""
        rows = await self._receive(batch)
        if len(rows) < batch.rows or not rows.keys().isdisjoint(self.table.rows):
            raise self.error("duplicate key value violates unique constraint", sqlstate="23505")
        return await self._commit(rows)

    async def insert_new(self, batch: Batch) -> Commit:
        """Add the rows that are new."""
        rows = await self._receive(batch)
        new = {k: row for k, row in rows.items() if k not in self.table.rows}
        return replace(await self._commit(new), discarded=0)

    async def probe(self, keys: Keys) -> ProbeResult:
        """Look up every key."""
        await self._begin(self.probe_failures)
        device_ids, timestamps = read_array(keys.device_ids), read_array(keys.timestamps)
        known = b"".join(
            struct.pack(">I", place)
            for place, (device_id, ts) in enumerate(zip(device_ids, timestamps, strict=True))
            if (device_id.decode(), *struct.unpack(">q", ts)) in self.table.rows
        )
        return ProbeResult(self.connects, known)

    async def confirm(self) -> Commit:
        """Wait for the table, and for its standby."""
        await self._begin()
        return await self._commit({})

    async def gather_evidence(self, refused: Batch, *, entry_ms: int) -> Evidence:
        """Try copies of the newest rows in the refused row's place, then that row itself."""
        await self._begin(self.canary_failures)
        [(key, row)] = read_copy_rows(b"".join(refused.copy_chunks(64 * 1024)))
        device_id, ts_us = key
        donors = self._donors(device_id)
        copies = [at(copied, donor, ts_us) for (donor, _), copied in donors] or [neutral_row(*key)]
        if any(self._accepts(*copy) for copy in copies):
            self._end_for_killers([key])
            return Evidence.CAUSE_GONE if self._accepts(key, row) else Evidence.RECORD
        is_old = ts_us < entry_ms * 1_000 - POSTGRES_EPOCH_US - DAY_US
        if is_old and any(self._accepts(*donor) for donor in donors):
            return Evidence.TIME
        return Evidence.TABLE

    async def try_canary(self) -> Commit:
        """Try a copy of a row, and wait for a commit without rows."""
        await self._begin(self.canary_failures)
        donors = self._donors(NOBODY) or [neutral_row(NOBODY, 0)]
        if not any(self._accepts(*donor) for donor in donors):
            self.refuse(dict(donors))
        return await self._commit({})

    async def restore(
        self, query: str, device_ids: Sequence[str], since: datetime | None
    ) -> list[tuple[object, ...]]:
        """Answer from the table's `found_by`, else with newest positions."""
        await self._begin(self.restore_failures)
        if (answer := self.table.found_by.get(query)) is not None:
            return [answer[device_id] for device_id in device_ids if device_id in answer]
        since_us = None if since is None else (since - POSTGRES_EPOCH) // MICROSECOND
        return list(self._newest_positions(frozenset(device_ids), since_us))

    def _newest_positions(
        self, device_ids: frozenset[str], since_us: int | None
    ) -> Iterator[tuple[object, ...]]:
        """(device_id, Unix time in µs, latitude, longitude), of rows that are not faulty."""
        newest: dict[str, int] = {}
        for device_id, ts_us in self.table.rows.keys() - self.table.faulty:
            if device_id in device_ids and (since_us is None or ts_us >= since_us):
                newest[device_id] = max(ts_us, newest.get(device_id, ts_us))
        for device_id, ts_us in newest.items():
            coordinates = b"".join(self.table.rows[device_id, ts_us][2:4])
            yield (device_id, ts_us + POSTGRES_EPOCH_US, *struct.unpack(">dd", coordinates))

    async def ping(self) -> None:
        """Wait until the table answers."""
        await self._begin()

    async def awaits_standby(self, pid: int) -> bool:  # noqa: ARG002
        """Never: a FakeStore waits for its standby without asking, for as long as it takes."""
        await self._begin()
        return False

    async def aclose(self) -> None:
        """End the session; its rows that wait in COMMIT go on waiting."""
        self._connected = False
        self.table.sessions.discard(self)

    def refuse(self, rows: Mapping[Key, Row]) -> None:
        """Raise the server's objection to one of the rows, if there is one."""
        if sqlstate := self.table.refusal_of(rows):
            raise self.error("the server refuses this row", sqlstate=sqlstate)

    def error(
        self, message: str, *, sqlstate: str | None = None, usable: bool = True
    ) -> PostgresError:
        """A PostgresError as the real edge raises it; without `usable` the session is lost."""
        return self._broken(
            PostgresError(message, where=self.where, sqlstate=sqlstate, connection_usable=usable)
        )

    async def _receive(self, batch: Batch) -> dict[Key, Row]:
        """The rows of the batch by key, once the server answers, unless it refuses them."""
        await self._begin(self.failures)
        # The rows are sorted, and of one key the first one counts.
        rows: dict[Key, Row] = {}
        for key, row in read_copy_rows(b"".join(batch.copy_chunks(64 * 1024))):
            rows.setdefault(key, row)
        if self.table.rows_max is not None and len(rows) > self.table.rows_max:
            raise self.error("the connection was lost", usable=False)
        self._end_for_killers(rows)
        self.refuse(rows)
        await self.table.until_free(rows)
        self._check_alive()
        return rows

    async def _commit(self, rows: Mapping[Key, Row]) -> Commit:
        table = self.table
        if table.refuses_commits:
            raise self.error("the server refuses to commit", sqlstate=table.refuses_commits)
        kept = {k: row for k, row in rows.items() if k[0] not in table.discarded_devices}
        try:
            is_confirmed = await table.commit(kept)
        except trio.Cancelled:
            # A COMMIT is never cancelled on the server: the connection is closed, and the wait goes on.
            await self.aclose()
            raise
        if not is_confirmed:
            self._check_alive()
        return Commit(self.connects, len(kept), len(rows) - len(kept))

    def _donors(self, device_id: str) -> list[tuple[Key, Row]]:
        """The newest rows of a few devices other than this one."""
        newest: dict[str, Key] = {}
        for key in self.table.rows:
            if key[0] != device_id and key > newest.get(key[0], ("", 0)):
                newest[key[0]] = key
        latest = sorted(newest.values(), key=lambda key: key[1], reverse=True)
        return [(key, self.table.rows[key]) for key in latest[:DONORS_MAX]]

    def _accepts(self, key: Key, row: Row) -> bool:
        try:
            self.refuse({key: row})
        except PostgresError:
            return False
        return True

    def _end_for_killers(self, keys: Sequence[Key] | Mapping[Key, Row]) -> None:
        if any(device_id in self.table.killers for device_id, _ in keys):
            raise self.error("terminating connection", sqlstate="57P01", usable=False)

    async def _begin(self, failures: deque[PostgresError] | None = None) -> None:
        """Connect, wait until the server answers, and raise the prepared failure."""
        await self.connect()
        await self.table.answers.wait()
        self._check_alive()
        if failures:
            raise self._broken(failures.popleft())

    def _check_alive(self) -> None:
        """Raise if the session was lost with the server."""
        if not self.table.reachable or self._table_life != self.table.life:
            raise self.error("the connection was lost", usable=False)

    def _broken(self, error: PostgresError) -> PostgresError:
        """The error with this session's number, if there is one; ends the session if it is not usable."""
        error.session = self.connects if self._connected else None
        if not error.connection_usable:
            self._connected = False
            self.table.sessions.discard(self)
        return error
