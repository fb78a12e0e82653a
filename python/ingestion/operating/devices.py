"""Which devices are connected, over all instances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestion.core.requests import DEVICES
from telemetry.chassis.control.asking import ask
from telemetry.chassis.operating.requests import Replies

if TYPE_CHECKING:
    from telemetry.chassis.control.messages import Answer
    from telemetry.chassis.operating.access import Access


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A device that is connected to an instance, as that one describes it."""

    device_id: str
    address: str
    transport: str
    connected_since: str
    """ISO-8601, UTC."""
    last_frame_at: str | None
    """ISO-8601, UTC; None: none was answered yet."""
    frames: int
    """Frames of this connection that were answered."""
    instance_id: str


@dataclass(frozen=True, slots=True)
class ConnectedDevices:
    """All that were told, sorted by their ids."""

    devices: list[Device]
    replies: Replies
    missing: int
    """Devices that instances have counted and that did not arrive here."""

    @property
    def is_whole(self) -> bool:
        """Whether every instance that answered has told all of its devices."""
        return not self.replies.failed and not self.missing


def connected_devices(access: Access) -> ConnectedDevices:
    """Ask every instance. A device that has just moved may be at two. Raises what the client raises."""
    found: list[Device] = []

    def take(part: Answer) -> None:
        rows = part.result.get("devices")
        if isinstance(rows, list):
            found.extend(each for row in rows if (each := _device(row, part.instance_id)))

    answers = ask(access.client, access.control_channel, DEVICES, take_part=take)
    replies = Replies.of(answers)
    counted = sum(
        count for each in replies.done if isinstance(count := each.result.get("devices"), int)
    )
    found.sort(key=lambda each: (each.device_id, each.instance_id))
    return ConnectedDevices(found, replies, counted - len(found))


def _device(row: object, instance_id: str) -> Device | None:
    """None for a row of another form: an instance of another version."""
    match row:
        case {
            "device_id": str(device_id),
            "address": str(address),
            "transport": str(transport),
            "connected_since": str(connected_since),
            "last_frame_at": str() | None as last_frame_at,
            "frames": int(frames),
        }:
            return Device(
                device_id=device_id,
                address=address,
                transport=transport,
                connected_since=connected_since,
                last_frame_at=last_frame_at,
                frames=frames,
                instance_id=instance_id,
            )
    return None
