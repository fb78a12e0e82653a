"""The publisher of one stream: its frames, its connection, and the tasks that bring the two together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from ingestion.journal.statistics import REDIS
from ingestion.publishing.exchange import Exchange
from ingestion.publishing.frame_queue import FrameQueue
from ingestion.publishing.opening import open_publishing
from ingestion.publishing.outcomes import Outcomes
from ingestion.publishing.readiness import StreamReadiness
from telemetry.chassis import clocks, progress
from telemetry.chassis.dependency import Dependency
from telemetry.chassis.errors import RedisMoved

if TYPE_CHECKING:
    from ingestion.journal.journal import Journal
    from ingestion.publishing.depth import QueueDepth
    from ingestion.publishing.options import PublishOptions
    from ingestion.publishing.waiting_frame import WaitingFrame
    from telemetry.chassis.redis.duplex import DuplexConnection

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
        self._number = number
        self._options = options
        self._outcomes = Outcomes(self.stream, depth, journal)
        self._dependency = Dependency(REDIS, journal)
        self._readiness = StreamReadiness(self.stream, journal)
        self._queue = FrameQueue()
        self._connection: DuplexConnection | None = None
        self._exchange: Exchange | None = None

    def accept(self, waiting: WaitingFrame) -> None:
        """Take a frame, behind those that were accepted before."""
        self._queue.put(waiting)
        if self._exchange is not None:
            self._exchange.frame_came(waiting.accepted_s)

    def close(self) -> None:
        """No frame comes any more: `run` ends when all are answered or dropped."""
        self._queue.close()

    async def connect(self) -> None:
        """Connect before the start. Raises EdgeError, also if Redis would refuse an entry."""
        if self._connection is None:
            connection, refusal = await open_publishing(self._options, self._number)
            if refusal is not None:
                connection.close()
                raise refusal
            self._connection = connection

    async def aclose(self) -> None:
        """Close the connection at once."""
        if self._connection is not None:
            self._connection.close()
        await trio.lowlevel.checkpoint()

    async def run(self) -> None:
        """Publish until closed and dry. Cancelled before, it leaves what is unanswered counted in the queue's depth.

        Raises nothing that Redis does: it connects again for ever.
        """
        with progress.working():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_exchanging)
                nursery.start_soon(self._keep_watching)
                await self._queue.dry.wait()
                nursery.cancel_scope.cancel()

    async def _keep_exchanging(self) -> None:
        while True:
            if self._connection is None:
                await self._dependency.connect(self._connect_again, self._options.backoff)
            await self._exchange_on_connection()

    async def _connect_again(self) -> None:
        connection, refusal = await open_publishing(self._options, self._number)
        if isinstance(refusal, RedisMoved):
            connection.close()
            raise refusal
        self._connection = connection
        if refusal is None:
            self._readiness.found()
        else:
            self._readiness.lost(str(refusal))

    async def _exchange_on_connection(self) -> None:
        connection = self._connection
        assert connection is not None
        self._exchange = Exchange(
            connection, self.stream, self._queue, self._outcomes, self._readiness
        )
        try:
            reason = await self._exchange.run()
        finally:
            connection.close()
            self._exchange = self._connection = None
        self._readiness.lost(reason)
        self._outcomes.lost(self._queue.drop_sent(), reason)

    async def _keep_watching(self) -> None:
        """The bounds of everything that waits here, looked at now and then: a timer for each would cost more."""
        while True:
            await progress.pause(WATCH_S)
            now_s = clocks.monotonic_s()
            if overdue := self._queue.drop_unsent(now_s - UNSENT_S_MAX):
                self._readiness.lost(OVERDUE)
                self._outcomes.overdue(overdue, OVERDUE)
            if self._exchange is not None:
                self._exchange.watch(now_s)
