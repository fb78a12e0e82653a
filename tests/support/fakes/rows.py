"""Rows as the fakes keep them: read from the bytes of a binary COPY, and copied."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

# (device_id, microseconds since 2000-01-01 UTC), the key of a row.
Key: TypeAlias = tuple[str, int]
# The eleven fields of a row as the bytes of the binary format.
Row: TypeAlias = tuple[bytes, ...]

COPY_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
COLUMNS: Final = 11
POSTGRES_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
POSTGRES_EPOCH_US: Final = (POSTGRES_EPOCH - datetime(1970, 1, 1, tzinfo=UTC)) // MICROSECOND
DAY_US: Final = timedelta(days=1) // MICROSECOND


def read_copy_rows(data: bytes) -> Iterator[tuple[Key, Row]]:
    """The rows of a binary COPY, as PostgreSQL's documentation of COPY describes it.

    Raises ValueError if it is not one, or has a NULL or another number of columns.
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


def day_of(key: Key) -> int:
    """The day of a key's timestamp, from 2000-01-01 on."""
    return key[1] // DAY_US


def at(row: Row, device_id: str, ts_us: int) -> tuple[Key, Row]:
    """The row under another key."""
    return (device_id, ts_us), (device_id.encode(), struct.pack(">q", ts_us), *row[2:])


def neutral_row(device_id: str, ts_us: int) -> tuple[Key, Row]:
    """A row in which only the key can be to blame for a refusal."""
    numbers = (
        (struct.pack(">d", 0),) * 2 + (struct.pack(">f", 0),) * 3 + (struct.pack(">h", 0),) * 2
    )
    return at((b"", b"", *numbers, b"8", b"\x01{}"), device_id, ts_us)
