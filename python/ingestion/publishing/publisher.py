"""The publisher of one stream: its frames, the way that they go, and the bounds of what waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from ingestion.publishing.frame_queue import FrameQueue
from ingestion.publishing.outcomes import Outcomes
from ingestion.publishing.readiness import StreamReadiness
from ingestion.publishing.route import Route
from telemetry.chassis import clocks, progress

if TYPE_CHECKING:
    from ingestion.journal.journal import Journal
    from ingestion.publishing.depth import QueueDepth
    from ingestion.publishing.options import PublishOptions
    from ingestion.publishing.waiting_frame import WaitingFrame

# How late a bound may be noticed.
WATCH_S: Final = 0.25
# With that, 5 s from a frame's acceptance: a device that waited for longer sends it again, over a new connection.
UNSENT_S_MAX: Final = 4.75
OVERDUE: Final = "not sent in time: there is no connection, or it takes too little"


class Publisher:
    """Publishes the frames of one stream in order, each at most once."""

    def __init__(
        self, number: int, options: PublishOptions, depth: QueueDepth, journal: Journal
    ) -> None:
        self.stream = options.streams[number]
        self._journal = journal
        self._outcomes = Outcomes(self.stream, depth, journal)
        self._readiness = StreamReadiness(self.stream, journal)
        self._queue = FrameQueue()
        self._route = Route(number, options, self._queue, self._outcomes, self._readiness)

    def accept(self, waiting: WaitingFrame) -> None:
        """Take a frame, behind those that were accepted before."""
        self._queue.put(waiting)
        if (exchange := self._route.exchange) is not None:
            exchange.frame_came(waiting.accepted_s)

    def close(self) -> None:
        """No frame comes any more: `run` ends when all are answered or dropped."""
        self._queue.close()

    async def connect(self) -> None:
        """Connect before the start. Raises EdgeError, also if Redis would refuse an entry."""
        await self._route.connect()

    async def aclose(self) -> None:
        """Close the connections at once."""
        self._route.close()
        await trio.lowlevel.checkpoint()

    async def run(self) -> None:
        """Publish until closed and dry. Cancelled before, it leaves what is unanswered counted in the queue's depth.

        Raises nothing that Redis does: it connects again for ever.
        """
        with progress.working():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._route.keep_exchanging, self._journal)
                nursery.start_soon(self._keep_watching)
                await self._queue.dry.wait()
                nursery.cancel_scope.cancel()

    async def _keep_watching(self) -> None:
        """The bounds of everything that waits here, looked at now and then: a timer for each would cost more."""
        while True:
            await progress.pause(WATCH_S)
            now_s = clocks.monotonic_s()
            if overdue := self._queue.drop_unsent(now_s - UNSENT_S_MAX):
                refusal = overdue[0].turned_away
                reason = OVERDUE if refusal is None else refusal.message
                self._readiness.lost(reason)
                self._outcomes.overdue(overdue, reason)
            if (exchange := self._route.exchange) is not None:
                exchange.watch(now_s)
