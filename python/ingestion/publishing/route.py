"""The way of a stream's frames: the connection to its master, and to where that sends frames on while a slot moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ingestion.journal.statistics import REDIS
from ingestion.publishing.detour import Detour
from ingestion.publishing.exchange import CHUNK_BYTES, Exchange
from ingestion.publishing.opening import open_publishing
from ingestion.publishing.redirected import Turn, next_turn
from telemetry.chassis import progress
from telemetry.chassis.dependency import Dependency
from telemetry.chassis.errors import RedisError, RedisMoved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingestion.journal.journal import Journal
    from ingestion.publishing.frame_queue import FrameQueue
    from ingestion.publishing.options import PublishOptions
    from ingestion.publishing.outcomes import Outcomes
    from ingestion.publishing.readiness import StreamReadiness
    from ingestion.publishing.waiting_frame import WaitingFrame
    from telemetry.chassis.redis.cluster.nodes import Node
    from telemetry.chassis.redis.duplex import DuplexConnection

SENT_ELSEWHERE: Final = "the server is not the master of the stream's slot"
# Where a slot is moving, and neither end takes a frame.
AGAIN_S: Final = 0.05


class Route:
    """One exchange at a time, so that frames keep their order wherever they are sent.

    Each frame goes to the slot's master first: the keys of a slot move one by one, and one that is still there must not
    be made a second time elsewhere.
    """

    def __init__(
        self,
        number: int,
        options: PublishOptions,
        queue: FrameQueue,
        outcomes: Outcomes,
        readiness: StreamReadiness,
    ) -> None:
        self.exchange: Exchange | None = None
        """What takes frames from the queue at this moment."""
        self._number = number
        self._options = options
        self._queue = queue
        self._outcomes = outcomes
        self._readiness = readiness
        self._connection: DuplexConnection | None = None
        self._detour = Detour(options, number)

    async def connect(self) -> None:
        """Connect before the start. Raises EdgeError, also if Redis would refuse an entry."""
        if self._connection is None:
            connection, refusal = await open_publishing(self._options, self._number)
            if refusal is not None:
                connection.close()
                raise refusal
            self._connection = connection

    def close(self) -> None:
        """Close all connections at once."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._detour.close()

    async def keep_exchanging(self, journal: Journal) -> None:
        """Send what is in the queue, and connect again whenever that is needed."""
        dependency = Dependency(REDIS, journal)
        try:
            while True:
                if self._connection is None:
                    await dependency.connect(self._connect_again, self._options.backoff)
                assert self._connection is not None
                if await self._exchange_on(self._connection):
                    await self._go_elsewhere(self._queue.put_back())
                else:
                    self._connection = None
        finally:
            self.close()

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

    async def _exchange_on(
        self, connection: DuplexConnection, sent_on: Sequence[WaitingFrame] = ()
    ) -> bool:
        """Whether the connection is open behind it. Nothing but `sent_on` is sent if that is given."""
        exchange = self.exchange = Exchange(
            connection,
            self._options.streams[self._number],
            self._queue,
            self._outcomes,
            self._readiness,
        )
        if sent_on:
            exchange.send_on(sent_on)
        try:
            reason = await exchange.run()
        finally:
            self.exchange = None
        if reason is None:
            return True
        connection.close()
        self._queue.put_back()
        self._readiness.lost(reason)
        self._outcomes.lost(self._queue.drop_sent(), reason)
        return False

    async def _go_elsewhere(self, frames: Sequence[WaitingFrame]) -> None:
        """The slot's master has turned these away, which are the next ones in the queue."""
        answers = [each.turned_away.message for each in frames if each.turned_away is not None]
        stream = self._options.streams[self._number]
        turn = next_turn([self._options.homes.sent_on_to(answer, stream) for answer in answers])
        if turn is Turn.HOME:
            self._readiness.lost(answers[-1] if answers else SENT_ELSEWHERE)
            self.close()
        elif turn is Turn.AGAIN:
            self._readiness.lost(answers[-1])
            await progress.pause(AGAIN_S)
        elif not await self._send_on(turn, frames):
            await progress.pause(AGAIN_S)

    async def _send_on(self, node: Node, frames: Sequence[WaitingFrame]) -> bool:
        """Send frames to a node that the slot is moving to; whether it has answered, and turned none away."""
        try:
            connection = await self._detour.connected(node)
        except RedisError as error:
            self._readiness.lost(str(error))
            return False
        # Some may have been dropped meanwhile, as their time was over.
        among = frozenset(frames)
        while sent_on := self._queue.take(CHUNK_BYTES, among):
            if not await self._exchange_on(connection, sent_on):
                return False
            if turned_away := self._queue.put_back():
                # By both ends, one of which may have been left half way.
                if (refusal := turned_away[-1].turned_away) is not None:
                    self._readiness.lost(refusal.message)
                return False
        return True
