"""Reply bytes to COPY bytes in Python: hiredis, orjson and struct, as fast as idiomatic Python makes it."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import hiredis

from bench.peer_position import Row, decode, window
from bench.replies import GROUP, STREAM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bench.replies import Reply

# PostgreSQL's binary COPY: https://www.postgresql.org/docs/current/sql-copy.html
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = struct.pack(">h", -1)
COLUMNS = 11
JSONB_VERSION = b"\x01"
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# ts to priority, each with its length before it; the columns around them vary in length.
_pack_fixed = struct.Struct(">iqididifififihih").pack
_pack_count_and_length = struct.Struct(">hi").pack
_pack_length = struct.Struct(">i").pack


def encode_replies(
    replies: Iterable[Reply],
    now: datetime,
    copy_sink: Callable[[bytes], object],
    ack_sink: Callable[[bytes], object],
) -> None:
    """For each reply, one COPY stream of its rows and one XACK command of its records.

    Raises Refused for an entry that is no Position: there are none where speed is measured.
    """
    accepted = window(now)
    reader = hiredis.Reader()
    for reply in replies:
        entries = _read(reader, reply)
        decoded = [
            (entry_id, decode(dict(zip(fields[::2], fields[1::2], strict=True)), accepted))
            for entry_id, fields in entries
        ]
        # The sort keeps the order of equals, so that the earliest entry of a key comes first.
        decoded.sort(key=_key)
        copy_sink(b"".join((COPY_HEADER, *map(copy_row, _without_repeats(decoded)), COPY_TRAILER)))
        ack_sink(_xack([entry_id for entry_id, _row in decoded]))


def copy_row(row: Row) -> bytes:
    """One row in binary COPY's form."""
    (
        device_id,
        ts,
        latitude,
        longitude,
        altitude,
        angle,
        speed,
        satellites,
        priority,
        codec,
        attributes,
    ) = row
    device_bytes = device_id.encode()
    fixed = _pack_fixed(
        8, (ts - POSTGRES_EPOCH) // MICROSECOND, 8, latitude, 8, longitude,
        4, altitude, 4, angle, 4, speed, 2, satellites, 2, priority,
    )  # fmt: skip
    return b"".join(
        (
            _pack_count_and_length(COLUMNS, len(device_bytes)),
            device_bytes,
            fixed,
            _pack_length(len(codec)),
            codec.encode(),
            _pack_length(len(attributes) + 1),
            JSONB_VERSION,
            attributes,
        )
    )


def _read(reader: hiredis.Reader, reply: Reply) -> list[tuple[bytes, list[bytes]]]:
    value: Any = False
    for piece in reply:
        reader.feed(piece)
        value = reader.gets()
    entries: list[tuple[bytes, list[bytes]]] = value[0][1]
    return entries


def _xack(entry_ids: list[bytes]) -> bytes:
    # hiredis's stub says that a command has one word.
    command: Any = (b"XACK", STREAM, GROUP, *entry_ids)
    packed: bytes = hiredis.pack_command(command)
    return packed


def _key(record: tuple[bytes, Row]) -> tuple[str, datetime]:
    row = record[1]
    return row.device_id, row.ts


def _without_repeats(decoded: list[tuple[bytes, Row]]) -> Iterator[Row]:
    previous = None
    for record in decoded:
        key = _key(record)
        if key != previous:
            yield record[1]
        previous = key
