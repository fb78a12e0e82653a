"""A part of the list of devices is never longer than a message, whatever the devices are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from ingestion.answering.devices import PART_DEVICES_MAX, DeviceAnswers
from telemetry.chassis.control.messages import (
    MESSAGE_BYTES_MAX,
    Answer,
    AnswerKind,
    decode_answer,
    encode_answer,
)
from telemetry.chassis.control.responder import Caller
from tests.support.ingestion_frames import NOON_MS, imei_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingestion.answering.ports import ConnectedDevice

LONG_ADDRESS = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"


@dataclass(frozen=True)
class Device:
    imei: str
    address: str = LONG_ADDRESS
    transport: str = "tls"
    connected_at_ms: int = NOON_MS
    last_frame_at_ms: int | None = NOON_MS
    frames: int = 2**53


class Roster:
    def __init__(self, count: int) -> None:
        self._devices = [Device(imei_of(number)) for number in range(count)]

    def devices(self) -> list[Device]:
        return self._devices

    def device(self, _imei: str) -> ConnectedDevice | None:
        raise AssertionError

    def look_for_tap(self, _imei: str) -> None:
        raise AssertionError


async def told(count: int) -> tuple[Mapping[str, object], list[Mapping[str, Any]]]:
    parts: list[Mapping[str, Any]] = []

    async def take(_request_id: str, part: Mapping[str, object]) -> None:
        await trio.lowlevel.checkpoint()
        message = encode_answer(Answer("0" * 32, "1" * 32, "i" * 200, AnswerKind.PART, part))
        assert len(message) <= MESSAGE_BYTES_MAX
        answer = decode_answer(message)
        assert isinstance(answer, Answer)
        assert answer.kind is AnswerKind.PART
        parts.append(answer.result)

    return await DeviceAnswers(Roster(count)).tell(Caller("0" * 32, take), {}), parts


async def test_five_thousand_devices_come_in_parts() -> None:
    result, parts = await told(5_000)
    assert result == {"devices": 5_000}
    assert len(parts) == 5_000 // PART_DEVICES_MAX
    found = [each["device_id"] for part in parts for each in part["devices"]]
    assert found == [imei_of(number) for number in range(5_000)]


async def test_nobody_connected_is_no_part() -> None:
    assert await told(0) == ({"devices": 0}, [])
