"""The positions that a drill publishes: their devices, keys and form."""

from __future__ import annotations

import json

import pytest

from drills.identity import DEVICES, IMEI_PREFIX, Identity
from telemetry.stream.imei import check_digit, is_imei
from tests.drills.values import DRIVE, IDENTITY


def test_a_drills_devices_are_test_equipment_with_right_check_digits() -> None:
    assert len(set(IDENTITY.device_ids)) == DEVICES
    for imei in IDENTITY.device_ids:
        assert is_imei(imei)
        assert imei.startswith(f"{IMEI_PREFIX}004711")
        assert imei[-1] == check_digit(imei[:-1])


def test_two_drills_share_neither_devices_nor_names() -> None:
    one, other = Identity.of(1, "s"), Identity.of(2, "s")
    assert not set(one.device_ids) & set(other.device_ids)
    assert not any(other.device_ids[0].startswith(each.imei_prefix) for each in (one,))
    assert one.group != other.group
    assert one.dlq_stream != other.dlq_stream
    assert one.attempts_key != other.attempts_key
    assert one.consumer(0) != other.consumer(0)


def test_a_stream_of_the_drills_own_has_its_name() -> None:
    assert Identity.of(4_711, None).stream == "telemetry:drill-004711"
    assert Identity.of(4_711, "telemetry:mine").stream == "telemetry:mine"


def test_dead_letters_of_a_drill_never_go_to_those_of_the_stream() -> None:
    assert Identity.of(1, "telemetry:teltonika").dlq_stream != "telemetry:teltonika:dlq"


@pytest.mark.parametrize("number", [0, 1, DEVICES - 1, DEVICES, 123_456])
def test_a_key_gives_its_records_number_back(number: int) -> None:
    entry = DRIVE.entry(number)
    assert DRIVE.number(entry.device_id, DRIVE.turn_ms(entry.ts)) == number


def test_records_have_keys_of_their_own() -> None:
    keys = {(entry.device_id, entry.ts) for entry in DRIVE.entries(0, 1_000)}
    assert len(keys) == 1_000


def test_an_entry_is_what_tcp_ingestion_publishes() -> None:
    entry = DRIVE.entry(DEVICES + 3)
    position = json.loads(entry.payload)
    assert entry.ts == position["timestamp"] == "2026-05-01T09:00:00.001Z"
    assert entry.device_id == position["device_id"] == IDENTITY.device_ids[3]
    assert entry.codec == "8E"
    assert position.keys() == {
        "device_id", "timestamp", "latitude", "longitude", "altitude", "angle", "speed", "satellites",
        "priority", "attributes",
    }  # fmt: skip
