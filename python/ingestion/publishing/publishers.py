"""Publishes accepted frames, and says which of them Redis has confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion.errors import PublishOverflowError
from ingestion.publishing.depth import QueueDepth
from ingestion.publishing.publisher import Publisher
from ingestion.publishing.waiting_frame import ParkedOutcome, WaitingFrame
from telemetry.chassis import clocks

if TYPE_CHECKING:
    import trio

    from ingestion.journal.journal import Journal
    from ingestion.publishing.options import PublishOptions
    from ingestion.publishing.waiting_frame import Submitter
    from telemetry._codec import AcceptedFrame, Confirmation
    from telemetry.chassis.progress import ProgressTable


class Publishers:
    """A publisher for each stream, and one bound over all of them."""

    def __init__(self, options: PublishOptions, journal: Journal) -> None:
        """Nothing is connected yet."""
        self.depth = QueueDepth(options.records_max, options.bytes_max)
        """What was accepted and is unanswered by Redis; what is left of it at the end was not published."""
        self._publishers = [
            Publisher(number, options, self.depth, journal)
            for number in range(len(options.streams))
        ]

    async def publish(self, frame: AcceptedFrame, *, part: float = 1.0) -> Confirmation:
        """Publish a frame, and wait until Redis has confirmed each of its records.

        Raises PublishOverflowError at once if the queue is full; RedisUnavailableError if Redis refused a record, or
        the frame was dropped: its connection was lost or silent, or there was none for too long. Cancelled, the
        frame stays on its way, and its outcome is nobody's.
        """
        outcome = ParkedOutcome()
        self.submit(frame, outcome, clocks.monotonic_s(), part=part)
        return await outcome.wait()

    def submit(
        self, frame: AcceptedFrame, submitter: Submitter, now_s: float, *, part: float = 1.0
    ) -> None:
        """Publish a frame; the submitter hears of the outcome. `now_s` is the time of Trio's clock.

        Raises PublishOverflowError if the queue is full; nobody hears of such a frame again.
        """
        commands_bytes = len(frame.commands)
        if not self.depth.has_room(frame.replies, commands_bytes, part=part):
            raise PublishOverflowError(
                "frames are dropped unanswered", imei=frame.imei, code="overflow"
            )
        self.depth.add(frame.replies, commands_bytes)
        waiting = WaitingFrame(frame, commands_bytes, now_s, submitter)
        self._publishers[frame.stream].accept(waiting)

    async def connect(self) -> None:
        """Make the connections that are missing, before the start.

        Raises EdgeError, also if Redis answers and would refuse an entry.
        """
        for publisher in self._publishers:
            await publisher.connect()

    def start_soon(self, nursery: trio.Nursery, tasks: ProgressTable) -> None:
        """Start the publishers' tasks. Each ends when it is closed and has nothing left."""
        for publisher in self._publishers:
            tasks.start_soon(nursery, f"publisher {publisher.stream}", publisher.run)

    def close(self) -> None:
        """No frame comes any more: run dry."""
        for publisher in self._publishers:
            publisher.close()

    async def aclose(self) -> None:
        """Close the connections at once."""
        for publisher in self._publishers:
            await publisher.aclose()
