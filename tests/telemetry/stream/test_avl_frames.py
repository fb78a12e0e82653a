from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry._codec import AvlFrame, decode_avl
from telemetry.stream.avl_frames import (
    LAYOUTS,
    AvlRecord,
    crc_16_ibm,
    decode_frame,
    encode_frame,
    encode_io,
    published_times,
)
from tests.support.vectors import DRIVE, EMPTY, FRAMES

DEVICE = "356307042441013"
WITH_RECORDS = [frame for frame in FRAMES if frame[8] in {0x08, 0x8E, 0x10}]


def one_decoded(frame: bytes) -> AvlFrame:
    [decoded] = decode_avl(frame, DEVICE, resync=False)
    assert isinstance(decoded, AvlFrame), decoded.code
    return decoded


def test_the_check_value_of_the_checksum() -> None:
    # The catalogue of parametrised CRC algorithms, CRC-16/ARC.
    assert crc_16_ibm(b"123456789") == 0xBB3D


def test_published_frames_come_out_as_they_went_in() -> None:
    assert {decode_frame(frame)[0] for frame in WITH_RECORDS} == set(LAYOUTS)
    for frame in WITH_RECORDS:
        codec, records = decode_frame(frame)
        assert encode_frame(codec, records) == frame


def test_a_real_drive_comes_out_as_it_went_in() -> None:
    for line in DRIVE.read_text().splitlines():
        frame = bytes.fromhex(line)
        assert encode_frame(*decode_frame(frame)) == frame


def test_a_frame_without_records() -> None:
    assert encode_frame("8", []) == bytes.fromhex(EMPTY)


@pytest.mark.parametrize("codec", LAYOUTS)
def test_written_elements_are_decoded(codec: str) -> None:
    variable = [(385, b"\x01\x02\x03")] if codec == "8E" else []
    io = encode_io(
        codec,
        239,
        [(239, b"\x01"), (66, b"\x30\x39"), (16, b"\x00\x00\x30\x39"), (78, b"\xff" * 8), (21, b"\x05")],
        generation_type=6,
        variable=variable,
    )  # fmt: skip
    record = AvlRecord(1_777_627_800_000, 1, 198_187_000, -413_275_000, -5, 214, 14, 63, io)
    decoded = one_decoded(encode_frame(codec, [record]))
    position = json.loads(decoded.records[0].payload)
    attributes = {
        "239": 1,
        "66": 12_345,
        "16": 12_345,
        "78": {"__bigint": str(2**64 - 1)},
        "21": 5,
    }
    if codec == "8E":
        attributes["385"] = {"__buffer_b64": "AQID"}
    if codec == "16":
        attributes["__generation_type"] = 6
    assert decoded.codec == codec
    assert position == {
        "device_id": DEVICE,
        "timestamp": "2026-05-01T09:30:00.000Z",
        "latitude": -41.3275,
        "longitude": 19.8187,
        "altitude": -5,
        "angle": 214,
        "speed": 63,
        "satellites": 14,
        "priority": 1,
        "attributes": attributes,
    }


@given(
    later_ms=st.integers(0, 10**9),
    east_e7=st.integers(-(10**9), 10**9),
    north_e7=st.integers(-(10**9), 10**9),
)
def test_a_moved_record_differs_in_time_and_place_alone(
    later_ms: int, east_e7: int, north_e7: int
) -> None:
    for frame in WITH_RECORDS:
        codec, records = decode_frame(frame)
        moved = [
            each.moved(later_ms=later_ms, east_e7=east_e7, north_e7=north_e7) for each in records
        ]
        decoded = one_decoded(encode_frame(codec, moved))
        for before, after, published in zip(records, moved, decoded.records, strict=True):
            assert after[3 + 1 :] == before[3 + 1 :]
            assert after.timestamp_ms == before.timestamp_ms + later_ms
            assert json.loads(published.payload)["longitude"] == after.longitude_e7 / 10**7


def test_a_record_without_a_fix_gets_none_by_moving() -> None:
    record = AvlRecord(5, 0, 0, 0, 0, 0, 0, 0, encode_io("8", 0, []))
    assert record.moved(later_ms=7, east_e7=1, north_e7=1) == record._replace(timestamp_ms=12)


def test_the_times_are_those_of_the_positions() -> None:
    frame = WITH_RECORDS[0]
    expected = [
        f"{datetime.fromtimestamp(record.timestamp_ms / 1000, UTC):%Y-%m-%dT%H:%M:%S}"
        for record in decode_frame(frame)[1]
    ]
    assert [time[:19] for time in published_times(frame, DEVICE)] == expected
