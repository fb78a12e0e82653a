"""Observe, Redis: what the service has published, and what it has put into quarantine."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from drills.observed import PositionKey
from drills.own_stream import OwnStream
from telemetry.chassis.redis.client import errors_translated

if TYPE_CHECKING:
    from drills.identity import Identity


class PublishedStream(OwnStream):
    """The stream and its quarantine, which only the drill uses."""

    def __init__(self, url: str, identity: Identity) -> None:
        super().__init__(url, identity.stream)
        self._quarantine = f"{identity.stream}:quarantine"

    def published(self) -> Counter[PositionKey]:
        """How often each record is in the stream."""
        with errors_translated(self._client):
            return Counter(
                PositionKey(fields[b"device_id"].decode(), fields[b"ts"].decode())
                for _, fields in self.entries_of(self._name)
            )

    def quarantined(self) -> int:
        """Frames that the service could not decode."""
        with errors_translated(self._client):
            return int(self._client.xlen(self._quarantine))

    def remove(self) -> None:
        """Remove both. Idempotent."""
        with errors_translated(self._client):
            self._client.delete(self._name, self._quarantine)
