"""A PositionStore in memory, for tests: it reads the COPY bytes it is given and keeps the rows."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

import trio

from processor.errors import PostgresError, SchemaMismatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor._codec import Batch

# (device_id, microseconds since 2000-01-01 UTC), the key of a row.
Key: TypeAlias = tuple[str, int]
# The eleven fields of a row as the bytes of the binary format.
Row: TypeAlias = tuple[bytes, ...]

COPY_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
COLUMNS: Final = 11


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
        row, offset = _read_row(data, offset + 2)
        yield (row[0].decode(), struct.unpack(">q", row[1])[0]), row
    if offset + 2 != len(data):
        raise ValueError(f"bytes behind the trailer at byte {offset}")


def _read_row(data: bytes, offset: int) -> tuple[Row, int]:
    fields: list[bytes] = []
    for _ in range(COLUMNS):
        [length] = struct.unpack_from(">i", data, offset)
        offset += 4
        if length < 0 or offset + length > len(data):
            raise ValueError(f"a field of {length} bytes at byte {offset}")
        fields.append(data[offset : offset + length])
        offset += length
    return tuple(fields), offset


@dataclass
class FakeTable:
    """The world that several stores share: committed rows, what it refuses, what it lacks."""

    rows: dict[Key, Row] = field(default_factory=dict)
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

    async def copy_direct(self, batch: Batch) -> int:
        """Add all rows, or none when one is there already."""
        rows = await self._receive(batch)
        if len(rows) < batch.rows or not rows.keys().isdisjoint(self.table.rows):
            raise self.error("duplicate key value violates unique constraint", sqlstate="23505")
        self.table.rows |= rows
        return len(rows)

    async def copy_staged(self, batch: Batch) -> int:
        """Add the rows that are new."""
        rows = await self._receive(batch)
        new = {key: row for key, row in rows.items() if key not in self.table.rows}
        self.table.rows |= new
        return len(new)

    async def ping(self) -> None:
        """Wait until the table answers."""
        await self.connect()
        await self.table.answers.wait()
        if not self.table.reachable:
            raise self.error("the connection was lost", usable=False)

    async def aclose(self) -> None:
        """End the session."""
        self._connected = False

    async def _receive(self, batch: Batch) -> dict[Key, Row]:
        """The rows of the batch, keyed, once the server answers and nothing is against them."""
        await self.connect()
        await self.table.answers.wait()
        if not self.table.reachable:
            raise self.error("the connection was lost", usable=False)
        if self.failures:
            raise self._broken(self.failures.popleft())
        # The rows are sorted, and of one key the first one counts.
        rows: dict[Key, Row] = {}
        for key, row in read_copy_rows(b"".join(batch.copy_chunks(64 * 1024))):
            rows.setdefault(key, row)
        for device_id, _ in rows:
            if sqlstate := self.table.refused_devices.get(device_id):
                raise self.error("the server refuses this device", sqlstate=sqlstate)
        return rows

    def error(
        self, message: str, *, sqlstate: str | None = None, usable: bool = True
    ) -> PostgresError:
        """A PostgresError as the real edge raises it; not usable means that the session is lost."""
        return self._broken(
            PostgresError(message, where=self.where, sqlstate=sqlstate, connection_usable=usable)
        )

    def _broken(self, error: PostgresError) -> PostgresError:
        self._connected = self._connected and error.connection_usable
        return error
