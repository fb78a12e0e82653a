"""What goes to and fro on one connection: frames and questions out, replies in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, cast

import trio

from ingestion.publishing.parked import Parked
from ingestion.publishing.questions import OTHER_REPLIES_MAX, Questions
from ingestion.publishing.redirected import TURNED_AWAY, can_be_sent_again
from ingestion.publishing.waiting_frame import WaitingFrame
from telemetry._codec import Confirmation, PublishRefusal, ReplyCounter
from telemetry.chassis import clocks
from telemetry.chassis.errors import RedisUnavailable
from telemetry.chassis.redis.errors import points_elsewhere

if TYPE_CHECKING:
    from ingestion.publishing.frame_queue import FrameQueue
    from ingestion.publishing.outcomes import Outcomes
    from ingestion.publishing.questions import Answer
    from ingestion.publishing.readiness import StreamReadiness
    from telemetry.chassis.redis.duplex import DuplexConnection

# Whatever has gathered goes out at once; more in one piece gains nothing.
CHUNK_BYTES: Final = 256 * 1024
# Frames that come faster than this are sent together by a task. A single one is sent at once, which saves a turn of the
# event loop: 15 of 230 us of CPU at 500 frames/s.
ALONE_S: Final = 0.0005
# While Redis refuses: how often it is asked whether it still does, if no frame asks.
PROBE_S: Final = 0.5
# `$15`, an entry's id of 13 digits, a hyphen and one digit, and both line ends. Most errors are longer; shorter ones
# wait for `watch`.
REPLY_BYTES_MIN: Final = 22
# On average over the reply to an ASKING, 5 bytes, and the one to its XADD.
ASKED_REPLY_BYTES_MIN: Final = 13


class Exchange:
    """One connection from its opening until it is lost, or turns frames away.

    In the latter case nothing more is sent, and it ends behind the last reply, with the connection open.

    Two tasks: one sends what has gathered, the other counts replies and settles frames. `watch` is called now and
    then, and finds out whether the server is silent.
    """

    def __init__(
        self,
        connection: DuplexConnection,
        stream: str,
        queue: FrameQueue,
        outcomes: Outcomes,
        readiness: StreamReadiness,
    ) -> None:
        self._connection = connection
        self._queue = queue
        self._outcomes = outcomes
        self._readiness = readiness
        self._counter = ReplyCounter()
        self._sender = Parked()
        self._rest = b""
        self._reply_bytes_min = REPLY_BYTES_MIN
        self._sent_alone_s = 0.0
        self._owed_since_s = 0.0
        self._questions = Questions(stream, readiness, self._refused)
        self._asked_s = clocks.monotonic_s()
        self._ending = False

    def send_on(self, frames: Sequence[WaitingFrame]) -> None:
        """Before `run`: send these, which the queue has as sent and another node has turned away, and nothing else."""
        self._rest = b"".join(each.expected_by(self._counter, asking=True) for each in frames)
        self._reply_bytes_min = ASKED_REPLY_BYTES_MIN
        self._owed_since_s = clocks.monotonic_s()
        self._ending = True

    async def run(self) -> str | None:
        """Send and receive until the connection is lost; returns why. Frames on it stay in the queue as sent.

        None: the server sends us elsewhere, or has answered what was sent on. Nothing is owed on the connection.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send)
            if (reason := await self._receive()) is None:
                # It ends by itself: a TLS session does not survive that its sending is cancelled.
                self._sender.wake()
            else:
                nursery.cancel_scope.cancel()
        return reason

    def frame_came(self, now_s: float) -> None:
        """A frame was put into the queue, at this time of Trio's clock: see to it that it is sent."""
        if not self._sender.waits:
            return  # It looks into the queue before it waits again.
        if now_s - self._sent_alone_s < ALONE_S:
            self._sender.wake()
            return
        self._sent_alone_s = now_s
        if not (chunk := self._next_chunk()):
            return
        if (sent := self._connection.send_nowait(chunk)) < len(chunk):
            self._rest = chunk[sent:]
            self._sender.wake()
        self._await_replies()

    def watch(self, now_s: float) -> None:
        """Give up a silent server, and ask one of which nothing was heard, or that refuses, for an answer."""
        limits = self._connection.limits
        quiet_ms = (now_s - max(self._connection.heard_s, self._owed_since_s)) * 1000
        if self._counter.owed:
            # Some may have come in, and wait for the rest.
            self._connection.await_bytes(1)
            if quiet_ms > limits.silence_ms:
                self._connection.give_up(f"no answer for {limits.silence_ms} ms")
        elif not self._readiness.ready and now_s - self._asked_s >= PROBE_S:
            self._asked_s = now_s
            self._questions.ask_for_entries()
            self._sender.wake()
        elif quiet_ms > limits.idle_ms_max:
            self._asked_s = now_s
            self._questions.ask_for_life()
            self._sender.wake()

    async def _send(self) -> None:
        try:
            while True:
                if chunk := self._next_chunk():
                    await self._connection.send(chunk)
                    self._await_replies()
                elif self._ending:
                    return
                else:
                    await self._sender.park()
        except RedisUnavailable:
            # The task that receives finds out, behind the last reply that has come in.
            return

    def _next_chunk(self) -> bytes:
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        if self._ending:
            return b""
        frames = self._queue.take(CHUNK_BYTES)
        if not self._counter.owed:
            self._owed_since_s = clocks.monotonic_s()
        pieces = []
        for command, answered in self._questions.take():
            self._counter.expect_other(answered)
            pieces.append(command)
        pieces += [waiting.expected_by(self._counter) for waiting in frames]
        return b"".join(pieces)

    async def _receive(self) -> str | None:
        try:
            while True:
                await self._connection.receive(self._counter)
                self._settle()
                self._await_replies()
                if self._ending and not self._counter.owed:
                    return None
        except RedisUnavailable as error:
            # Replies that came before what is not a reply.
            self._settle()
            return str(error)

    def _await_replies(self) -> None:
        frames_replies = self._counter.owed - OTHER_REPLIES_MAX
        self._connection.await_bytes(frames_replies * self._reply_bytes_min)

    def _settle(self) -> None:
        for waiter, answer in self._counter.settled():
            if not isinstance(waiter, WaitingFrame):
                cast("Callable[[Answer], None]", waiter)(answer)
                continue
            if isinstance(answer, Confirmation):
                self._queue.answered(waiter)
                self._outcomes.confirmed(waiter, answer)
                if not self._readiness.ready:
                    self._readiness.found()
            else:
                assert isinstance(answer, PublishRefusal)
                self._frame_refused(waiter, answer)

    def _frame_refused(self, waiting: WaitingFrame, refusal: PublishRefusal) -> None:
        if can_be_sent_again(refusal):
            waiting.turned_away = refusal
            self._queue.turned_away(waiting)
            self._ending = True
        else:
            self._queue.answered(waiting)
            self._outcomes.refused(waiting, refusal)
            self._refused(refusal.message)

    def _refused(self, message: str) -> None:
        self._readiness.lost(message)
        if message.partition(" ")[0] in TURNED_AWAY:
            self._ending = True
        elif points_elsewhere(message):
            self._connection.give_up(message)
