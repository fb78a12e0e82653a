"""AVL frames of codec 8, 8E and 16 taken apart into records and written again, for whoever plays devices.

The layout is contract section 9. The codec in Rust decodes what devices send; this is the other direction, in which
the elements of a recorded record stay the bytes that they were.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from telemetry._codec import AvlFrame, decode_avl

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RECORDS_MAX: Final = 255
"""In one frame."""

_HEADER = struct.Struct(">II")
_CHECKSUM = struct.Struct(">I")
_FIXED = struct.Struct(">QBiihHBH")
# The values' lengths in bytes, group by group; 8E has one more, for values of any length.
_GROUPS: Final = (1, 2, 4, 8)
_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1


class Layout(NamedTuple):
    """What differs between the codecs."""

    codec_id: int
    id_bytes: int
    """Of the event id and of elements' ids."""
    count_bytes: int
    """Of the numbers of elements."""
    has_generation_type: bool
    has_variable: bool
    """A group of values that have their length before them."""


LAYOUTS: Final = {
    "8": Layout(0x08, 1, 1, has_generation_type=False, has_variable=False),
    "8E": Layout(0x8E, 2, 2, has_generation_type=False, has_variable=True),
    "16": Layout(0x10, 2, 1, has_generation_type=True, has_variable=False),
}
_LABELS: Final = {layout.codec_id: label for label, layout in LAYOUTS.items()}


class AvlRecord(NamedTuple):
    """One record. Places are 1e-7 degrees, the time is Unix time in ms, the speed km/h."""

    timestamp_ms: int
    priority: int
    longitude_e7: int
    latitude_e7: int
    altitude_m: int
    angle_deg: int
    satellites: int
    speed_kmh: int
    io: bytes
    """Event id, generation type and elements, as they are on the wire."""

    def moved(self, *, later_ms: int, east_e7: int, north_e7: int) -> AvlRecord:
        """The same record at another time and place. Without a fix, at the place 0, 0, it stays there."""
        at = self.timestamp_ms + later_ms
        if not self.longitude_e7 and not self.latitude_e7:
            return self._replace(timestamp_ms=at)
        return self._replace(
            timestamp_ms=at,
            longitude_e7=_in_int32(self.longitude_e7 + east_e7),
            latitude_e7=_in_int32(self.latitude_e7 + north_e7),
        )


def encode_frame(codec: str, records: Sequence[AvlRecord]) -> bytes:
    """A whole frame, from the preamble to the checksum. `codec` is `8`, `8E` or `16`."""
    counts = bytes([len(records)])
    encoded = b"".join(_FIXED.pack(*record[:-1]) + record.io for record in records)
    data = bytes([LAYOUTS[codec].codec_id]) + counts + encoded + counts
    return _HEADER.pack(0, len(data)) + data + _CHECKSUM.pack(crc_16_ibm(data))


def decode_frame(frame: bytes) -> tuple[str, list[AvlRecord]]:
    """Codec and records of a sound frame; what a frame that is not sound gives is undefined."""
    label = _LABELS[frame[_HEADER.size]]
    layout = LAYOUTS[label]
    at = _HEADER.size + 2
    records = []
    for _ in range(frame[at - 1]):
        start_of_io = at + _FIXED.size
        end = _end_of_io(frame, start_of_io, layout)
        records.append(AvlRecord._make((*_FIXED.unpack_from(frame, at), frame[start_of_io:end])))
        at = end
    return label, records


def encode_io(
    codec: str,
    event_id: int,
    elements: Iterable[tuple[int, bytes]],
    *,
    generation_type: int = 0,
    variable: Sequence[tuple[int, bytes]] = (),
) -> bytes:
    """The elements of a record: id and value, whose length (1, 2, 4 or 8) is its group.

    `generation_type` is written in codec 16 alone. `variable` are values of any length, for 8E alone.
    """
    layout = LAYOUTS[codec]
    groups = [[each for each in elements if len(each[1]) == size] for size in _GROUPS]
    total = sum(map(len, groups)) + len(variable)
    parts = [event_id.to_bytes(layout.id_bytes)]
    if layout.has_generation_type:
        parts.append(bytes([generation_type]))
    parts.append(total.to_bytes(layout.count_bytes))
    for group in groups:
        parts.append(len(group).to_bytes(layout.count_bytes))
        parts.extend(number.to_bytes(layout.id_bytes) + value for number, value in group)
    if layout.has_variable:
        parts.append(len(variable).to_bytes(layout.count_bytes))
        parts.extend(
            number.to_bytes(layout.id_bytes) + len(value).to_bytes(2) + value
            for number, value in variable
        )
    return b"".join(parts)


def published_times(frame: bytes, device_id: str) -> list[str]:
    """The `timestamp` of the Position that each record of a sound frame becomes, in wire order."""
    [decoded] = decode_avl(frame, device_id, resync=False)
    assert isinstance(decoded, AvlFrame)
    return [record.timestamp for record in decoded.records]


def crc_16_ibm(data: bytes) -> int:
    """CRC-16/IBM: polynomial 0xA001 reflected, initial 0."""
    crc = 0
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def _end_of_io(frame: bytes, start: int, layout: Layout) -> int:
    at = start + layout.id_bytes + layout.has_generation_type + layout.count_bytes
    for size in _GROUPS:
        count = int.from_bytes(frame[at : at + layout.count_bytes])
        at += layout.count_bytes + count * (layout.id_bytes + size)
    if layout.has_variable:
        count = int.from_bytes(frame[at : at + layout.count_bytes])
        at += layout.count_bytes
        for _ in range(count):
            length_at = at + layout.id_bytes
            at = length_at + 2 + int.from_bytes(frame[length_at : length_at + 2])
    return at


def _in_int32(number: int) -> int:
    return min(max(number, _INT32_MIN), _INT32_MAX)


def _crc_of_byte(byte: int) -> int:
    crc = byte
    for _ in range(8):
        crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


_CRC_TABLE: Final = tuple(map(_crc_of_byte, range(256)))
