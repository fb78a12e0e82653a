"""A PositionStore in memory, for tests: it reads the COPY bytes it is given and keeps the rows."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

import trio

from processor.core.evidence import Evidence
from processor.edges.ports import Commit, Sighting
from processor.errors import PostgresError, SchemaMismatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from processor._codec import Batch, Keys

# (device_id, microseconds since 2000-01-01 UTC), the key of a row.
Key: TypeAlias = tuple[str, int]
# The eleven fields of a row as the bytes of the binary format.
Row: TypeAlias = tuple[bytes, ...]

COPY_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
COLUMNS: Final = 11
POSTGRES_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
POSTGRES_EPOCH_US: Final = (POSTGRES_EPOCH - datetime(1970, 1, 1, tzinfo=UTC)) // MICROSECOND


def read_copy_rows(data: bytes) -> Iterator[tuple[Key, Row]]:
    """The rows of a binary COPY, as PostgreSQL's documentation of COPY lays it out.

    Raises ValueError when it is not one, or holds a NULL or another number of columns.
    """
    flags, extension_bytes = struct.unpack_from(">ii", data, len(COPY_SIGNATURE))
    if not data.startswith(COPY_SIGNATURE) or flags != 0:
        raise ValueError("not a binary COPY without flags")
    offset = len(COPY_SIGNATURE) + 8 + extension_bytes
    while (columns := struct.unpack_from(">h", data, offset)[0]) != -1:
        if columns != COLUMNS:
            raise ValueError(f"a row of {columns} columns at byte {offset}")
        row, offset = _read_fields(data, offset + 2, COLUMNS)
        yield (row[0].decode(), struct.unpack(">q", row[1])[0]), row
    if offset + 2 != len(data):
        raise ValueError(f"bytes behind the trailer at byte {offset}")


def _read_fields(data: bytes, offset: int, count: int) -> tuple[Row, int]:
    fields: list[bytes] = []
    for _ in range(count):
        [length] = struct.unpack_from(">i", data, offset)
        offset += 4
        if length < 0 or offset + length > len(data):
            raise ValueError(f"a field of {length} bytes at byte {offset}")
        fields.append(data[offset : offset + length])
        offset += length
    return tuple(fields), offset


def read_array(data: bytes) -> list[bytes]:
    """The elements of a binary array of one dimension, or of none, without NULLs.

    As array_recv in PostgreSQL's src/backend/utils/adt/arrayfuncs.c reads it. Raises ValueError.
    """
    dimensions, has_nulls, _ = struct.unpack_from(">iiI", data)
    if dimensions == 0:
        return []
    length, lower_bound = struct.unpack_from(">ii", data, 12)
    if (dimensions, has_nulls, lower_bound) != (1, 0, 1):
        raise ValueError("not an array of one dimension without NULLs")
    elements, offset = _read_fields(data, 20, length)
    if offset != len(data):
        raise ValueError(f"bytes behind the array at byte {offset}")
    return list(elements)


@dataclass
class FakeTable:
    """The world that several stores share: committed rows, what it refuses, what it lacks."""

    rows: dict[Key, Row] = field(default_factory=dict)
    # Keys of rows that operators have marked.
    faulty: set[Key] = field(default_factory=set)
    # What accumulators' queries find, by device; a query that is not here is the one for newest positions.
    found_by: dict[str, dict[str, tuple[object, ...]]] = field(default_factory=dict)
    # SQLSTATE by device: a batch with a row of that device is refused whole.
    refused_devices: dict[str, str] = field(default_factory=dict)
    differences: tuple[str, ...] = ()
    reachable: bool = True
    # While it is not set, writes wait here, as on a stalled server: before anything is committed.
    answers: trio.Event = field(default_factory=trio.Event)

    def __post_init__(self) -> None:
        self.answers.set()


class FakeStore:
    """One session on a FakeTable; `failures` are raised, one by each write, before it begins."""

    where = "fake:5432"

    def __init__(self, table: FakeTable | None = None) -> None:
        self.table = table if table is not None else FakeTable()
        self.failures: deque[PostgresError] = deque()
        self.probe_failures: deque[PostgresError] = deque()
        self.restore_failures: deque[PostgresError] = deque()
        self.connects = 0
        self._connected = False

    async def connect(self) -> None:
        """Begin a session, unless the table is not reachable."""
        await trio.lowlevel.checkpoint()
        if self._connected:
            return
        if not self.table.reachable:
            raise self.error("connection refused", usable=False)
        self._connected = True
        self.connects += 1

    async def check_schema(self) -> tuple[str, ...]:
        """Raise the table's differences, if it has any."""
        await self.connect()
        if self.table.differences:
            raise SchemaMismatch(self.table.differences)
        return ()

    async def copy_direct(self, batch: Batch) -> Commit:
        """Add all rows, or none when one is there already."""
        rows = await self._receive(batch)
        if len(rows) < batch.rows or not rows.keys().isdisjoint(self.table.rows):
            raise self.error("duplicate key value violates unique constraint", sqlstate="23505")
        self.table.rows |= rows
        return Commit(self.connects, len(rows))

    async def copy_staged(self, batch: Batch) -> Commit:
        """Add the rows that are new."""
        rows = await self._receive(batch)
        new = {key: row for key, row in rows.items() if key not in self.table.rows}
        self.table.rows |= new
        return Commit(self.connects, len(new))

    async def probe(self, keys: Keys) -> Sighting:
        """Look for every key."""
        await self._begin(self.probe_failures)
        device_ids, timestamps = read_array(keys.device_ids), read_array(keys.timestamps)
        known = b"".join(
            struct.pack(">I", place)
            for place, (device_id, ts) in enumerate(zip(device_ids, timestamps, strict=True))
            if (device_id.decode(), *struct.unpack(">q", ts)) in self.table.rows
        )
        return Sighting(self.connects, known)

    async def confirm(self) -> Commit:
        """Wait until the table answers."""
        await self._begin(deque())
        return Commit(self.connects, inserted=0)

    async def cross_examine(self, accused: Batch, *, entry_ms: int) -> Evidence:  # noqa: ARG002
        """A row is to blame if the table refuses its device, since it refuses no other rows."""
        await self._begin(deque())
        refused = self.table.refused_devices.keys() & set(accused.device_ids)
        return Evidence.RECORD if refused else Evidence.CAUSE_GONE

    async def try_canary(self) -> Commit:
        """Wait until the table answers."""
        return await self.confirm()

    async def restore(
        self, query: str, device_ids: Sequence[str], since: datetime | None
    ) -> list[tuple[object, ...]]:
        """Answer what the table knows the answer of, else with newest positions."""
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
        await self._begin(deque())

    async def awaits_standby(self, pid: int) -> bool:  # noqa: ARG002
        """There is no standby."""
        await self._begin(deque())
        return False

    async def aclose(self) -> None:
        """End the session."""
        self._connected = False

    async def _receive(self, batch: Batch) -> dict[Key, Row]:
        """The rows of the batch, keyed, once the server answers and nothing is against them."""
        await self._begin(self.failures)
        # The rows are sorted, and of one key the first one counts.
        rows: dict[Key, Row] = {}
        for key, row in read_copy_rows(b"".join(batch.copy_chunks(64 * 1024))):
            rows.setdefault(key, row)
        for device_id, _ in rows:
            if sqlstate := self.table.refused_devices.get(device_id):
                raise self.error("the server refuses this device", sqlstate=sqlstate)
        return rows

    async def _begin(self, failures: deque[PostgresError]) -> None:
        """Reach the server, once it answers, and raise what is prepared."""
        await self.connect()
        await self.table.answers.wait()
        if not self.table.reachable:
            raise self.error("the connection was lost", usable=False)
        if failures:
            raise self._broken(failures.popleft())

    def error(
        self, message: str, *, sqlstate: str | None = None, usable: bool = True
    ) -> PostgresError:
        """A PostgresError as the real edge raises it; not usable means that the session is lost."""
        return self._broken(
            PostgresError(
                message,
                where=self.where,
                sqlstate=sqlstate,
                connection_usable=usable,
                session=self.connects if self._connected else None,
            )
        )

    def _broken(self, error: PostgresError) -> PostgresError:
        self._connected = self._connected and error.connection_usable
        return error
