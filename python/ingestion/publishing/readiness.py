"""Whether a stream takes entries, as far as its publisher knows: what `/readyz` says of Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion.journal.statistics import REDIS

if TYPE_CHECKING:
    from ingestion.journal.journal import Journal


class StreamReadiness:
    """Reports each change to the journal, under the stream's name: Redis is ready when each stream is."""

    def __init__(self, stream: str, journal: Journal) -> None:
        self.ready = True
        self._stream = stream
        self._journal = journal

    def lost(self, reason: str) -> None:
        """Something was refused or not answered; the reason holds no credentials."""
        self.ready = False
        self._journal.dependency_lost(REDIS, reason, by=self._stream)

    def found(self) -> None:
        """Redis has confirmed a frame, or would."""
        self.ready = True
        self._journal.dependency_ready(REDIS, by=self._stream)
        self._journal.stream_found(stream=self._stream)
