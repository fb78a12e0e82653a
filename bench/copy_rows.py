"""Reads binary COPY back into rows, to see that two encoders wrote the same."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, TypeAlias

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER_BYTES = 19
TRAILER = b"\xff\xff"

CopyRow: TypeAlias = tuple[object, ...]


def copy_rows(stream: bytes) -> Iterator[CopyRow]:
    """The rows of one COPY stream, columns as bytes, the last one (jsonb) as the value it holds."""
    at = HEADER_BYTES
    while (columns := _short(stream, at)) != -1:
        at += 2
        row = []
        for _ in range(columns):
            length = _int(stream, at)
            row.append(stream[at + 4 : at + 4 + length])
            at += 4 + length
        # The first byte of a jsonb is its version.
        yield (*row[:-1], row[-1][:1], orjson.loads(row[-1][1:]))
    if stream[at:] != TRAILER:
        raise ValueError(f"{len(stream) - at - len(TRAILER)} bytes after the COPY trailer")


def body(stream: bytes) -> bytes:
    """The rows alone, so that several streams can be made one."""
    return stream[HEADER_BYTES : -len(TRAILER)]


def _short(data: bytes, at: int) -> int:
    value: int = struct.unpack_from(">h", data, at)[0]
    return value


def _int(data: bytes, at: int) -> int:
    value: int = struct.unpack_from(">i", data, at)[0]
    return value
