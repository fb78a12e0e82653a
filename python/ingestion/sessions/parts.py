"""What every conversation needs of its surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ingestion.core.quarantine import Quarantine
    from ingestion.devices.known_devices import KnownDevices
    from ingestion.journal.journal import Journal
    from ingestion.publishing.waiting_frame import Submitter
    from ingestion.sessions.roster import Roster
    from ingestion.taps.taps import Taps
    from telemetry._codec import AcceptedFrame, Confirmation, SessionLimits, StreamWriters


class Publish(Protocol):
    """The way to Redis."""

    async def publish(self, frame: AcceptedFrame, *, part: float = 1.0) -> Confirmation:
        """Returns when Redis has confirmed every record of the frame.

        Raises PublishOverflowError and RedisUnavailableError: the frame is dropped.
        """

    def submit(self, frame: AcceptedFrame, submitter: Submitter, now_s: float) -> None:
        """The same without waiting: the submitter hears of the outcome. Raises PublishOverflowError."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """Shared by all conversations."""

    limits: SessionLimits
    writers: StreamWriters
    publishers: Publish
    devices: KnownDevices
    quarantine: Quarantine
    quarantine_streams: tuple[str, ...]
    """For each stream, where its devices' undecodable frames are kept."""
    taps: Taps
    roster: Roster
    journal: Journal
    instance_id: str
