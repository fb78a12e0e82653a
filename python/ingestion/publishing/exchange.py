"""What goes to and fro on one connection: frames and questions out, replies in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import trio

from ingestion.publishing.parked import Parked
from ingestion.publishing.probe import probe_commands, refusal_in
from ingestion.publishing.waiting_frame import WaitingFrame
from telemetry._codec import Confirmation, PublishRefusal, ReplyCounter
from telemetry.chassis import clocks
from telemetry.chassis.errors import RedisUnavailable
from telemetry.chassis.redis.errors import points_elsewhere
from telemetry.chassis.redis.resp import encode

if TYPE_CHECKING:
    from ingestion.publishing.frame_queue import FrameQueue
    from ingestion.publishing.outcomes import Outcomes
    from ingestion.publishing.readiness import StreamReadiness
    from telemetry.chassis.redis.duplex import DuplexConnection

# Whatever has gathered goes out at once; more in one piece gains nothing.
CHUNK_BYTES: Final = 256 * 1024
# Frames that come faster than this are sent together by a task. A single one is sent at once, which saves a turn of the
# event loop: 15 of 230 us of CPU at 500 frames/s.
ALONE_S: Final = 0.0005
# While Redis refuses: how often it is asked whether it still does, if no frame asks.
PROBE_S: Final = 0.5
# `$15`, an entry's id of 13 digits, a hyphen and one digit, and both line ends. Errors are longer.
REPLY_BYTES_MIN: Final = 22
# Of the questions beside the frames, whose replies may be shorter.
OTHER_REPLIES_MAX: Final = 2
PING: Final = encode("PING")

Answer: TypeAlias = Confirmation | PublishRefusal | bytes
Question: TypeAlias = tuple[bytes, Callable[[Answer], None]]


class Exchange:
    """One connection from its opening until it is lost.

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
        self._sent_alone_s = 0.0
        self._owed_since_s = 0.0
        self._questions: list[Question] = []
        self._asked_s = clocks.monotonic_s()
        add, look = probe_commands(stream)
        self._probe: list[Question] = [(add, self._tried_to_add), (look, self._looked)]
        self._not_added_because: str | None = None

    async def run(self) -> str:
        """Send and receive until the connection is lost; returns why. Frames on it stay in the queue as sent."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send)
            reason = await self._receive()
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
        chunk = self._next_chunk()
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
            self._ask(self._probe)
        elif quiet_ms > limits.idle_ms_max:
            self._ask([(PING, self._ponged)])

    async def _send(self) -> None:
        try:
            while True:
                if chunk := self._next_chunk():
                    await self._connection.send(chunk)
                    self._await_replies()
                else:
                    await self._sender.park()
        except RedisUnavailable:
            # The task that receives finds out, behind the last reply that has come in.
            return

    def _next_chunk(self) -> bytes:
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        frames = self._queue.take(CHUNK_BYTES)
        if not self._counter.owed:
            self._owed_since_s = clocks.monotonic_s()
        pieces = []
        for command, answered in self._questions:
            self._counter.expect_other(answered)
            pieces.append(command)
        self._questions = []
        for waiting in frames:
            self._counter.expect(waiting.frame, waiting)
            pieces.append(waiting.frame.commands)
        return b"".join(pieces)

    async def _receive(self) -> str:
        try:
            while True:
                await self._connection.receive(self._counter)
                self._settle()
                self._await_replies()
        except RedisUnavailable as error:
            # Replies that came before what is not a reply.
            self._settle()
            return str(error)

    def _await_replies(self) -> None:
        frames_replies = self._counter.owed - OTHER_REPLIES_MAX
        self._connection.await_bytes(frames_replies * REPLY_BYTES_MIN)

    def _settle(self) -> None:
        for waiter, answer in self._counter.settled():
            if not isinstance(waiter, WaitingFrame):
                cast("Callable[[Answer], None]", waiter)(answer)
                continue
            self._queue.answered(waiter)
            if isinstance(answer, Confirmation):
                self._outcomes.confirmed(waiter, answer)
                if not self._readiness.ready:
                    self._readiness.found()
            else:
                assert isinstance(answer, PublishRefusal)
                self._outcomes.refused(waiter, answer)
                self._refused(answer.message)

    def _refused(self, message: str) -> None:
        self._readiness.lost(message)
        if points_elsewhere(message):
            self._connection.give_up(message)

    def _ask(self, questions: list[Question]) -> None:
        self._asked_s = clocks.monotonic_s()
        self._questions = questions
        self._sender.wake()

    def _ponged(self, answer: Answer) -> None:
        # Any other refusal is an answer as well: the user may not be allowed to PING.
        if isinstance(answer, PublishRefusal) and points_elsewhere(answer.message):
            self._refused(answer.message)

    def _tried_to_add(self, answer: Answer) -> None:
        self._not_added_because = _error_of(answer)

    def _looked(self, answer: Answer) -> None:
        if (refusal := refusal_in(self._not_added_because, _error_of(answer))) is None:
            self._readiness.found()
        else:
            self._refused(refusal)


def _error_of(answer: Answer) -> str | None:
    return answer.message if isinstance(answer, PublishRefusal) else None
