"""What the service is made of, as the configuration sizes it; nothing is connected or open yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingestion.devices.known_devices import KnownDevices
    from ingestion.listening.listeners import Listeners
    from ingestion.publishing.publishers import Publishers
    from ingestion.sessions.house import House
    from ingestion.sessions.parts import Parts


@dataclass(frozen=True, slots=True)
class Rooms:
    """The rooms that a frame passes through, from the device to Redis."""

    listeners: Listeners
    house: House
    parts: Parts
    """Of the conversations, and of datagrams."""
    publishers: Publishers
    devices: KnownDevices
