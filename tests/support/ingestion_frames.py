"""Frames of devices as the codec accepts them, made from whole datagrams of codec 8."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from telemetry._codec import AcceptedFrame, StreamWriters, decode_datagram

if TYPE_CHECKING:
    from collections.abc import Sequence

NOON_MS: Final = 1_777_636_800_000
"""2026-05-01T12:00:00Z."""
RECORDS_MAX: Final = 255


def imei_of(device: int) -> str:
    """The IMEI of a device with this number."""
    return f"{356307042000000 + device:015}"


def datagram(device: int, number: int, *, records: int = 5) -> bytes:
    """The `number`th datagram of a device. No two of them have a record of the same time."""
    first_ms = NOON_MS + number * RECORDS_MAX
    body = bytes([8, records])
    body += b"".join(_record(first_ms + offset) for offset in range(records))
    body += bytes([records])
    imei = imei_of(device).encode()
    rest = struct.pack(">HBBH", number & 0xFFFF, 1, number & 0xFF, len(imei)) + imei + body
    return struct.pack(">H", len(rest)) + rest


def frame(
    device: int,
    number: int,
    *,
    streams: Sequence[str],
    records: int = 5,
    entries_max: int = 1_000_000,
) -> AcceptedFrame:
    """The same, decoded: ready to be published."""
    writers = StreamWriters(streams, entries_max=entries_max)
    accepted = decode_datagram(datagram(device, number, records=records), writers)
    assert isinstance(accepted, AcceptedFrame)
    return accepted


def _record(unix_ms: int) -> bytes:
    """A position without IO elements."""
    place = struct.pack(">iihhBh", 198_187_000, 413_275_000, 110, 214, 14, 63)
    return struct.pack(">QB", unix_ms, 0) + place + bytes(6)
