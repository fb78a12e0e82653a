"""The frame in hand of a conversation: published, and answered by its confirmation alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import trio

from ingestion.errors import PublishOverflowError, RedisUnavailableError
from ingestion.publishing.parked import Parked
from ingestion.sessions.wire import PlainWire
from telemetry.chassis import clocks

if TYPE_CHECKING:
    from ingestion.publishing.waiting_frame import Outcome
    from ingestion.sessions.parts import Parts
    from ingestion.sessions.wire import Wire
    from telemetry._codec import AcceptedFrame, Session


class Owner(Protocol):
    """The conversation that the frames are of. It is called from the publisher's task, and raises nothing."""

    def handed_over(self) -> None:
        """The frame in hand was answered or dropped."""

    def close(self, reason: str) -> None:
        """The device has gone."""

    def fail(self, fault: BaseException) -> None:
        """A fault of the program: this conversation is over."""


class Answering:
    """Publishes the frames of one conversation, one at a time, and answers each.

    As a rule the publisher's task answers as soon as Redis has: waking the device's task for it would cost as much
    as all the rest. Through TLS an answer may have to wait, and so may bytes that came behind the frame: then the
    device's task answers.
    """

    __slots__ = (
        "_frame",
        "_owner",
        "_parts",
        "_session",
        "_settled",
        "_submitted_s",
        "_wire",
        "frames",
        "last_frame_at_ms",
        "unanswered_since_s",
    )

    def __init__(self, owner: Owner, session: Session, wire: Wire, parts: Parts) -> None:
        self.frames = 0
        """Frames that were answered."""
        self.last_frame_at_ms: int | None = None
        """When a frame was answered last; Unix time."""
        self.unanswered_since_s: float | None = None
        """When the oldest frame was accepted that has no answer."""
        self._owner = owner
        self._session = session
        self._wire = wire
        self._parts = parts
        self._frame: AcceptedFrame | None = None
        self._submitted_s = 0.0
        self._settled = Parked()

    async def until_settled(self) -> None:
        """Wait until the publisher's task has answered or dropped what it has, if it has anything."""
        if self._frame is not None:
            await self._settled.park()

    async def publish(self, frame: AcceptedFrame) -> None:
        """Publish a frame, and answer it now or once Redis has confirmed it. Until then nothing may be received."""
        self._parts.quarantine.forget(frame.imei)
        if isinstance(self._wire, PlainWire) and self._session.is_at_boundary:
            self._submit(frame)
            return
        if (answer := await self.confirmed(frame)) is not None:
            self._report_published(frame)
            await self.answer(answer)
        self._session.settle()

    async def confirmed(self, frame: AcceptedFrame) -> bytes | None:
        """The answer to a frame once Redis has confirmed it; None if it was dropped, which is reported."""
        self._begin()
        try:
            confirmation = await self._parts.publishers.publish(frame)
        except PublishOverflowError as overflow:
            self._parts.journal.frame_overflowed(overflow, codec=frame.codec)
        except RedisUnavailableError as error:
            self._parts.journal.frame_unpublished(error, codec=frame.codec)
        else:
            return frame.answer(confirmation)
        return None

    async def answer(self, answer: bytes) -> None:
        """Send an answer."""
        await self._wire.send(answer)
        self._answered()

    def settled(self, outcome: Outcome) -> None:
        """The frame in hand is confirmed or dropped: it is answered here and now."""
        frame, self._frame = self._frame, None
        assert frame is not None
        self._session.settle()
        try:
            self._finish(frame, outcome)
        except (OSError, trio.BrokenResourceError):
            self._owner.close("the device takes no answers")
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as fault:  # noqa: BLE001  # of one conversation alone: the publisher's task goes on
            self._owner.fail(fault)
        else:
            self._owner.handed_over()
        self._settled.wake()

    def _submit(self, frame: AcceptedFrame) -> None:
        """Publish a frame behind which the device has sent nothing; `settled` answers it."""
        self._begin()
        self._frame = frame
        try:
            self._parts.publishers.submit(frame, self, self._submitted_s)
        except PublishOverflowError as overflow:
            self._frame = None
            self._parts.journal.frame_overflowed(overflow, codec=frame.codec)
            self._session.settle()

    def _finish(self, frame: AcceptedFrame, outcome: Outcome) -> None:
        if isinstance(outcome, RedisUnavailableError):
            self._parts.journal.frame_unpublished(outcome, codec=frame.codec)
            return
        self._report_published(frame)
        assert isinstance(self._wire, PlainWire)
        self._wire.send_nowait(frame.answer(outcome))
        self._answered()

    def _begin(self) -> None:
        self._submitted_s = clocks.monotonic_s()
        if self.unanswered_since_s is None:
            self.unanswered_since_s = self._submitted_s

    def _report_published(self, frame: AcceptedFrame) -> None:
        self._parts.journal.frame_published(
            frame.codec,
            records=frame.records,
            duration_s=clocks.monotonic_s() - self._submitted_s,
        )

    def _answered(self) -> None:
        self.unanswered_since_s = None
        self.frames += 1
        self.last_frame_at_ms = clocks.unix_ms()
