"""Teltonika frames of codec 8, 8 Extended and 16 to the stream's Positions, in good Python: struct and orjson.

The checksum has two bytes a step, from one table of 65,536: what Python can do without a module in C.
"""

from __future__ import annotations

import base64
import struct
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

import orjson

FRAME_BYTES_MAX = 65_536
FRAMING_BYTES = 12

Record: TypeAlias = tuple[str, str, bytes]
"""Timestamp, codec and payload, as the stream has them."""
JsonValue: TypeAlias = int | dict[str, str]


class BadFrame(ValueError):  # as in the contract: a refused frame
    """The bytes are no frame of records."""


class Layout(NamedTuple):
    """What differs between the codecs."""

    label: str
    identifier: str
    quantity: struct.Struct
    pairs: tuple[struct.Struct, ...]
    has_generation: bool
    has_variable: bool


def _layout(label: str, identifier: str, count: str, *, generation: bool = False) -> Layout:
    return Layout(
        label,
        identifier,
        struct.Struct(f">{count}"),
        tuple(struct.Struct(f">{identifier}{width}") for width in "BHIQ"),
        generation,
        label == "8E",
    )


LAYOUTS = {
    0x08: _layout("8", "B", "B"),
    0x8E: _layout("8E", "H", "H"),
    0x10: _layout("16", "H", "B", generation=True),
}
_header = struct.Struct(">II").unpack_from
_fixed = struct.Struct(">QBiihHBH")
_last_four = struct.Struct(">I").unpack_from
_variable = struct.Struct(">HH")


def _crc_of_byte(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value


_OF_BYTE = [_crc_of_byte(value) for value in range(256)]
# The state after two bytes is the table's value for the state before, xor both bytes in the wire's order.
_OF_TWO = [(_OF_BYTE[value & 0xFF] >> 8) ^ _OF_BYTE[(_OF_BYTE[value & 0xFF] ^ (value >> 8)) & 0xFF]
           for value in range(65_536)]  # fmt: skip


def checksum(data: bytes) -> int:
    """CRC-16/IBM."""
    crc = 0
    table = _OF_TWO
    for pair in struct.unpack_from(f"<{len(data) // 2}H", data):
        crc = table[crc ^ pair]
    if len(data) % 2:
        crc = (crc >> 8) ^ _OF_BYTE[(crc ^ data[-1]) & 0xFF]
    return crc


def frame_length(buffered: bytes, offset: int) -> int | None:
    """Length of the frame at `offset`; None if its header is not there yet. Raises BadFrame."""
    if len(buffered) - offset < 8:
        return None
    preamble, length = _header(buffered, offset)
    if preamble or length > FRAME_BYTES_MAX - FRAMING_BYTES:
        raise BadFrame
    return int(length) + FRAMING_BYTES


def decode_frame(frame: bytes, imei: str) -> list[Record]:
    """The records of a whole frame. Raises BadFrame."""
    end = len(frame) - 4
    if _last_four(frame, end)[0] != checksum(frame[8:end]):
        raise BadFrame
    try:
        layout = LAYOUTS[frame[8]]
        count = frame[9]
        if frame[end - 1] != count:
            raise BadFrame
        records = []
        offset = 10
        for _ in range(count):
            record, offset = _decode_record(frame, offset, layout, imei)
            records.append(record)
    except (KeyError, IndexError, struct.error):
        raise BadFrame from None
    if offset != end - 1:
        raise BadFrame
    return records


def _decode_record(frame: bytes, offset: int, layout: Layout, imei: str) -> tuple[Record, int]:
    ts_ms, priority, longitude, latitude, altitude, angle, satellites, speed = _fixed.unpack_from(
        frame, offset
    )
    offset += _fixed.size + (1 if layout.identifier == "B" else 2)
    attributes, offset = _decode_attributes(frame, offset, layout)
    moment = datetime.fromtimestamp(ts_ms / 1000, UTC)
    timestamp = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ts_ms % 1000:03d}Z"
    payload = orjson.dumps(
        {
            "device_id": imei,
            "timestamp": timestamp,
            "latitude": latitude / 1e7,
            "longitude": longitude / 1e7,
            "altitude": altitude,
            "angle": angle,
            "speed": speed,
            "satellites": satellites,
            "priority": priority,
            "attributes": attributes,
        }
    )
    return (timestamp, layout.label, payload), offset


def _decode_attributes(
    frame: bytes, offset: int, layout: Layout
) -> tuple[dict[str, JsonValue], int]:
    values: dict[int, JsonValue] = {}
    generation = None
    if layout.has_generation:
        generation = frame[offset]
        offset += 1
    quantity, pairs = layout.quantity, layout.pairs
    offset += quantity.size
    for pair in pairs:
        (number,) = quantity.unpack_from(frame, offset)
        offset += quantity.size
        end = offset + number * pair.size
        if pair is pairs[-1]:
            for element_id, value in pair.iter_unpack(frame[offset:end]):
                values[element_id] = {"__bigint": str(value)}
        else:
            values.update(pair.iter_unpack(frame[offset:end]))
        offset = end
    if layout.has_variable:
        (number,) = quantity.unpack_from(frame, offset)
        offset += quantity.size
        for _ in range(number):
            element_id, length = _variable.unpack_from(frame, offset)
            offset += _variable.size + length
            text = base64.b64encode(frame[offset - length : offset]).decode()
            values[element_id] = {"__buffer_b64": text}
    attributes = {str(element_id): values[element_id] for element_id in sorted(values)}
    if generation is not None:
        attributes["__generation_type"] = generation
    return attributes, offset
