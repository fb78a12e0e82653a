"""Rows as fields of PostgreSQL's binary format: reads a refused row, makes copies of sound rows."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, TypeAlias

from processor.core.schema import WRITTEN_COLUMNS

if TYPE_CHECKING:
    from telemetry._codec import Batch

# The fields of WRITTEN_COLUMNS, in their order.
Row: TypeAlias = "tuple[bytes, ...]"

COLUMN_LIST: Final = ", ".join(column.name for column in WRITTEN_COLUMNS)

# text, timestamptz, float8 (2), float4 (3), int2 (2), text, jsonb in src/include/catalog/pg_type.dat.
ROW_TYPES: Final = (25, 1184, 701, 701, 700, 700, 700, 21, 21, 25, 3802)

POSTGRES_EPOCH_US: Final = 946_684_800_000_000
"""Unix time of 2000-01-01, from which PostgreSQL counts."""

# PostgreSQL documentation, "COPY", "Binary Format": signature, flags, length of the extension.
_COPY_HEADER_BYTES: Final = 19
_DEVICE_ID, _TS = 0, 1
_FLOAT8, _FLOAT4 = range(2, 4), range(4, 7)
# More than the distance between neighbouring numbers of either format, far less than a metre, a degree or 1 km/h.
_HAIR: Final = 1e-6


def first_row(batch: Batch) -> Row:
    """The first row of a batch that has one."""
    data = b"".join(batch.copy_chunks(64 * 1024))
    offset = _COPY_HEADER_BYTES + 2
    fields = []
    for _ in ROW_TYPES:
        [length] = struct.unpack_from(">i", data, offset)
        offset += 4 + length
        fields.append(data[offset - length : offset])
    return tuple(fields)


def neutral_row(device_id: bytes, ts_us: int) -> Row:
    """A row in which only the key can be to blame for a refusal."""
    numbers = (
        *(struct.pack(">d", 0),) * 2,
        *(struct.pack(">f", 0),) * 3,
        *(struct.pack(">h", 0),) * 2,
    )
    return (device_id, pack_ts(ts_us), *numbers, b"8", b"\x01{}")


def device_of(row: Row) -> bytes:
    """The `device_id`."""
    return row[_DEVICE_ID]


def ts_us_of(row: Row) -> int:
    """The `ts` in µs since 2000."""
    [ts_us] = struct.unpack(">q", row[_TS])
    return int(ts_us)


def at(row: Row, ts_us: int) -> Row:
    """The row with another `ts`."""
    return (*row[:_TS], pack_ts(ts_us), *row[_TS + 1 :])


def moved_by_a_hair(row: Row) -> Row:
    """The row with slightly different numbers: in the same ranges, but in no unique index on values yet."""
    fields = list(row)
    for format_, places in ((">d", _FLOAT8), (">f", _FLOAT4)):
        for place in places:
            [number] = struct.unpack(format_, fields[place])
            fields[place] = struct.pack(format_, _moved(number))
    return tuple(fields)


def _moved(number: float) -> float:
    """Moves towards zero, where ranges go on; but numbers near zero away from it, since many ranges begin there."""
    hair = _HAIR * max(1.0, abs(number))
    if abs(number) < 1:
        return number + hair if number >= 0 else number - hair
    return number - hair if number > 0 else number + hair


def pack_ts(ts_us: int) -> bytes:
    """A `timestamptz`."""
    return struct.pack(">q", ts_us)
