from __future__ import annotations

import itertools
import json
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ingestion.simulating.frames import (
    GeneratedFrames,
    OutgoingFrame,
    RecordedFrames,
    imei_of,
    place_of,
    read_recording,
)
from telemetry._codec import AvlFrame, AvlRefusal, decode_avl
from telemetry.stream.avl_frames import LAYOUTS
from telemetry.stream.imei import check_digit
from tests.support.vectors import COMMAND, DRIVE, GOOD, WRONG_CRC

NOW_MS = 1_777_627_800_000


def positions(frame: OutgoingFrame) -> list[dict[str, Any]]:
    [decoded] = decode_avl(frame.data, imei_of(0), resync=False)
    assert isinstance(decoded, AvlFrame)
    assert len(decoded.records) == frame.records
    return [json.loads(record.payload) for record in decoded.records]


def keys(frames: list[OutgoingFrame], name: str) -> set[Any]:
    return {position[name] for frame in frames for position in positions(frame)}


def time_of(position: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(position["timestamp"])


def test_devices_are_test_equipment_with_identities_of_their_own() -> None:
    imeis = [imei_of(device) for device in range(5_000)]
    assert len(set(imeis)) == len(imeis)
    assert all(each.startswith("00998") and len(each) == 15 for each in imeis)
    assert all(each[-1] == check_digit(each[:-1]) for each in imeis)


def test_devices_stand_in_a_square_and_each_alone() -> None:
    places = [place_of(device) for device in range(5_000)]
    assert places[0] == (0, 0)
    assert len(set(places)) == len(places)
    assert max(max(place) for place in places) == 70 * 500_000


def test_a_recording_is_what_a_device_can_send(tmp_path: Path) -> None:
    capture = tmp_path / "capture.hex"
    capture.write_text(f"{GOOD}\n{WRONG_CRC}\n{COMMAND}\n{GOOD}")
    recording = read_recording(capture)
    assert recording.frames == (bytes.fromhex(GOOD),) * 2
    assert recording.left_out == 2


def test_the_first_device_sends_the_recording_as_it_was_and_once() -> None:
    recording = read_recording(DRIVE)
    frames = RecordedFrames(recording.frames, 0, rounds=1)
    sent = [frames.next_frame() for _ in recording.frames]
    assert [frame.data for frame in sent] == list(recording.frames)
    assert frames.is_through
    assert sum(frame.records for frame in sent) == 13_732


def test_other_devices_and_rounds_have_times_of_their_own_and_devices_have_places() -> None:
    recorded = read_recording(DRIVE).frames[:3]
    played = {
        (device, round_number): [p for _ in recorded for p in positions(source.next_frame())]
        for device in (0, 1, 101)
        for source in [RecordedFrames(recorded, device, rounds=None)]
        for round_number in range(2)
    }
    assert played[0, 0] == [p for data in recorded for p in positions(OutgoingFrame(data, data[9]))]
    for (device, round_number), each in played.items():
        for before, position in zip(played[0, 0], each, strict=True):
            later = timedelta(seconds=device, milliseconds=round_number)
            assert time_of(position) == time_of(before) + later
            assert position["attributes"] == before["attributes"]
            if before["latitude"]:
                east_e7, north_e7 = place_of(device)
                assert position["latitude"] == pytest.approx(before["latitude"] + north_e7 / 10**7)
                assert position["longitude"] == pytest.approx(before["longitude"] + east_e7 / 10**7)


@pytest.mark.parametrize("device", range(3))
def test_generated_frames_are_decoded_and_cover_the_time_since_the_last(device: int) -> None:
    clock = itertools.count(NOW_MS, 60_000)
    source = GeneratedFrames(device, Random(device), lambda: next(clock))
    frames = [source.next_frame() for _ in range(50)]
    [codec] = {
        decoded.codec
        for frame in frames
        for decoded in decode_avl(frame.data, imei_of(0), resync=False)
        if isinstance(decoded, AvlFrame)
    }
    assert codec == tuple(LAYOUTS)[device]
    assert {frame.records for frame in frames} == set(range(1, 10))
    times = [position["timestamp"] for frame in frames for position in positions(frame)]
    assert times == sorted(set(times))
    assert "2026-05-01T10:19:59" < times[-1] <= "2026-05-01T10:20:00.000Z"
    assert len(keys(frames, "latitude")) > 40
    assert all("241" in position["attributes"] for position in positions(frames[0]))


def test_records_of_one_moment_are_ten_milliseconds_apart() -> None:
    source = GeneratedFrames(0, Random(0), lambda: NOW_MS)
    times = [position["timestamp"] for position in positions(source.next_frame())]
    assert times == [f"2026-05-01T09:30:00.{10 * n:03}Z" for n in range(1, len(times) + 1)]


def test_a_damaged_frame_has_a_wrong_checksum_and_nothing_else() -> None:
    frame = GeneratedFrames(0, Random(0), lambda: NOW_MS).next_frame()
    [refusal] = decode_avl(frame.damaged(), imei_of(0), resync=False)
    assert isinstance(refusal, AvlRefusal)
    assert refusal.code == "crc_fail"
    assert len(frame.damaged()) == len(frame.data)
