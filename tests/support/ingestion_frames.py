"""Frames of devices, codec 8: as they come over TCP and UDP, and as the codec accepts them."""

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
    imei = imei_of(device).encode()
    rest = struct.pack(">HBBH", number & 0xFFFF, 1, number & 0xFF, len(imei)) + imei
    rest += _data_field(number, records)
    return struct.pack(">H", len(rest)) + rest


def tcp_frame(number: int, *, records: int = 5) -> bytes:
    """The `number`th frame of a device over TCP. No two of them have a record of the same time."""
    return framed(_data_field(number, records))


def framed(data_field: bytes) -> bytes:
    """A data field with what TCP has around it: preamble, length and checksum."""
    return (
        struct.pack(">II", 0, len(data_field)) + data_field + struct.pack(">I", crc16(data_field))
    )


def crc16(data: bytes) -> int:
    """CRC-16/IBM: polynomial 0xA001 reflected, initial 0 (contract section 9)."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def times_ms(number: int, *, records: int = 5) -> list[int]:
    """The Unix times of the records of a device's `number`th frame or datagram, in wire order."""
    first_ms = NOON_MS + number * RECORDS_MAX
    return list(range(first_ms, first_ms + records))


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


def _data_field(number: int, records: int) -> bytes:
    positions = b"".join(map(_record, times_ms(number, records=records)))
    return bytes([8, records]) + positions + bytes([records])


def _record(unix_ms: int) -> bytes:
    """A position without IO elements."""
    place = struct.pack(">iihhBh", 198_187_000, 413_275_000, 110, 214, 14, 63)
    return struct.pack(">QB", unix_ms, 0) + place + bytes(6)
