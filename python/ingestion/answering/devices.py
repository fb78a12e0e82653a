"""Which devices are connected: one message cannot hold them all, so they are sent in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from telemetry.chassis.times import iso_of_unix_ms

if TYPE_CHECKING:
    from ingestion.answering.ports import ConnectedDevice, Roster
    from telemetry.chassis.control.messages import Values
    from telemetry.chassis.control.responder import Caller

# A device has some 230 bytes of JSON at most: a quarter of a message, and a millisecond's work.
PART_DEVICES_MAX: Final = 250


class DeviceAnswers:
    """Answers about connected devices."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    async def tell(self, caller: Caller, _arguments: Values) -> Values:
        """Every device of this moment, in parts; the result says how many they are."""
        devices = list(self._roster.devices())
        for start in range(0, len(devices), PART_DEVICES_MAX):
            part = devices[start : start + PART_DEVICES_MAX]
            await caller.tell({"devices": [described(each) for each in part]})
            # Sessions have their turn between two parts, also where sending waits for nothing.
            await trio.lowlevel.checkpoint()
        return {"devices": len(devices)}


def described(device: ConnectedDevice) -> dict[str, object]:
    """One of `devices[]` in contract section 12."""
    last_ms = device.last_frame_at_ms
    return {
        "device_id": device.imei,
        "address": device.address,
        "transport": device.transport,
        "connected_since": iso_of_unix_ms(device.connected_at_ms),
        "last_frame_at": None if last_ms is None else iso_of_unix_ms(last_ms),
        "frames": device.frames,
    }
