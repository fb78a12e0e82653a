"""What becomes of a stream's frames: the queue has room again, the journal counts, and the session knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion.errors import RedisUnavailableError
from ingestion.journal.counters import CONNECTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestion.journal.journal import Journal
    from ingestion.publishing.depth import QueueDepth
    from ingestion.publishing.waiting_frame import WaitingFrame
    from telemetry._codec import Confirmation, PublishRefusal


class Outcomes:
    """Settles the frames of one stream; each is settled once."""

    def __init__(self, stream: str, depth: QueueDepth, journal: Journal) -> None:
        self._stream = stream
        self._depth = depth
        self._journal = journal

    def confirmed(self, waiting: WaitingFrame, confirmation: Confirmation) -> None:
        """Redis has confirmed each of its records."""
        self._depth.remove(waiting.frame.replies, waiting.commands_bytes)
        waiting.submitter.settled(confirmation)

    def refused(self, waiting: WaitingFrame, refusal: PublishRefusal) -> None:
        """Redis has refused one of its records at least."""
        self._journal.frame_refused_by_redis(
            stream=self._stream, code=refusal.code, error=refusal.message
        )
        self._drop(waiting, refusal.message, refusal.code)

    def lost(self, frames: Sequence[WaitingFrame], reason: str) -> None:
        """The connection that they were on is gone: nobody knows whether Redis has them."""
        self._journal.connection_lost(stream=self._stream, error=reason, frames=len(frames))
        for waiting in frames:
            self._drop(waiting, reason, CONNECTION)

    def overdue(self, frames: Sequence[WaitingFrame], reason: str) -> None:
        """They waited too long to be sent."""
        self._journal.frames_overdue(stream=self._stream, error=reason, frames=len(frames))
        for waiting in frames:
            self._drop(waiting, reason, CONNECTION)

    def _drop(self, waiting: WaitingFrame, reason: str, code: str) -> None:
        frame = waiting.frame
        self._depth.remove(frame.replies, waiting.commands_bytes)
        error = RedisUnavailableError(reason, imei=frame.imei, code=code)
        waiting.submitter.settled(error)
