"""One connection from its first byte to its last: bytes to the session machine, its steps to what they call for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ingestion.errors import HandshakeError
from ingestion.sessions.answering import Answering
from ingestion.sessions.refusing import RefusedFrames
from ingestion.sessions.wire import PlainWire, wire_of
from telemetry._codec import (
    AcceptedFrame,
    BadLogin,
    CommandFrame,
    EmptyFrame,
    End,
    Login,
    Ping,
    RefusedFrame,
    Session,
)
from telemetry.chassis import clocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingestion.listening.connection import Connection
    from ingestion.sessions.parts import Parts
    from ingestion.sessions.wire import Wire
    from ingestion.taps.taps import Tap
    from telemetry._codec import Step


BAD_LOGINS = {
    "tls": "a TLS handshake on a port without TLS",
    "http": "an HTTP request",
    "other_login": "a login of another maker's device",
    "bad_length": "the length of a login is 15",
    "not_digits": "an IMEI has 15 digits",
    "other_imei": "a second login with another IMEI",
}
"""What a connection had instead of a login, by code."""
# Then the others have their turn: a piece that was received may hold thousands of pings.
STEPS_PER_TURN = 32


class Conversation:
    """The task of one connection. It waits, hands bytes to the machine, and does what the machine's steps ask for.

    A device is answered by `AcceptedFrame.answer` alone, which needs the Confirmation that Redis' replies make.
    """

    __slots__ = (
        "_answering",
        "_asks_for_tap",
        "_connection",
        "_is_leaving",
        "_is_shut_down",
        "_parts",
        "_reason",
        "_session",
        "_wire",
        "connected_at_ms",
    )

    def __init__(self, connection: Connection, parts: Parts) -> None:
        self.connected_at_ms = clocks.unix_ms()
        self._connection = connection
        self._parts = parts
        self._session = Session(parts.limits, parts.writers, now_ms=clocks.monotonic_ms())
        self._wire: Wire | None = None
        # Made for the first frame: a silent device needs none.
        self._answering: Answering | None = None
        self._asks_for_tap = False
        self._is_leaving = False
        self._is_shut_down = False
        self._reason = "closed by the device"

    @property
    def imei(self) -> str:
        """The device; empty before it has logged in."""
        return self._session.imei or ""

    @property
    def address(self) -> str:
        """Host and port of the device."""
        return self._connection.address

    @property
    def transport(self) -> str:
        """`tcp` or `tls`."""
        return self._connection.transport

    @property
    def frames(self) -> int:
        """Frames that were answered."""
        return 0 if self._answering is None else self._answering.frames

    @property
    def last_frame_at_ms(self) -> int | None:
        """When a frame was answered last; Unix time."""
        return None if self._answering is None else self._answering.last_frame_at_ms

    @property
    def unanswered_since_s(self) -> float | None:
        """When the oldest frame was accepted that has no answer."""
        return None if self._answering is None else self._answering.unanswered_since_s

    async def run(self, when_over: Callable[[Conversation], None]) -> None:
        """Talk until one side ends it. A fault of the program ends this conversation alone."""
        try:
            if await self._connection.establish():
                wire = self._wire = wire_of(self._connection)
                while not isinstance(step := await self._receive(wire), End):
                    await self._follow(step)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            # The device has gone, or somebody here has closed the connection and said why.
            pass
        except (trio.Cancelled, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as fault:  # noqa: BLE001  # of one session alone, also if the codec panics
            self.fail(fault)
        finally:
            self._connection.close()
            self._ended()
            when_over(self)

    def expire(self, now_ms: int) -> None:
        """Close the connection if one of its clocks has run out. Called about once a second."""
        expired = self._session.expired(now_ms)
        if expired is None:
            return
        journal = self._parts.journal
        if expired == "login":
            journal.login_timed_out(address=self.address)
        elif expired == "frame":
            journal.frame_timed_out(imei=self.imei or None, address=self.address)
        self.close(f"{expired} time-out")

    def leave(self) -> None:
        """End it with FIN: at once if no frame is in hand or has come unread, else behind its answer."""
        self._is_leaving = True
        # Before the session, what is unread is a header or a handshake, and nobody may ever come to read behind it.
        has_unread = self._wire is not None and self._connection.has_unread
        if not self._session.in_hand and not has_unread:
            self._shut_down("the service stops")

    def look_for_tap(self) -> None:
        """A watch of the device has begun or ended: it counts from the next boundary between messages on."""
        self._asks_for_tap = True
        self._take_tap(is_login=False)

    def close(self, reason: str) -> None:
        """End it now, from whatever task. A frame on its way to Redis stays on its way."""
        self._reason = reason
        self._connection.close()

    def fail(self, fault: BaseException) -> None:
        """A fault of the program: this conversation is over, and the others go on."""
        self._parts.journal.session_failed(fault, imei=self.imei or None, address=self.address)
        self.close("fault of the program")

    def handed_over(self) -> None:
        """The frame in hand was answered or dropped."""
        if self._is_leaving:
            self._shut_down("the service stops")

    async def _follow(self, step: Step | None) -> None:
        """Do what this step calls for, and all further ones that the bytes hold which have come."""
        taken = 0
        while step is not None:
            if isinstance(step, AcceptedFrame):
                await self._answers.publish(step)
                if self._session.in_hand:
                    break
            else:
                await self._take(step)
            taken += 1
            if taken % STEPS_PER_TURN == 0:
                await trio.lowlevel.checkpoint()
            step = self._session.next_step()
        if self._asks_for_tap:
            self._take_tap(is_login=False)
        if self._is_leaving and not self._session.in_hand:
            self._shut_down("the service stops")

    async def _receive(self, wire: Wire) -> Step | End | None:
        """The next step; nothing is received while a frame is in hand. A device sends nothing before its answer."""
        if not isinstance(wire, PlainWire):
            return await wire.receive(self._session)
        await wire.readable()
        if self._session.in_hand:
            await self._answers.until_settled()
        return wire.receive_nowait(self._session)

    async def _take(self, step: Step) -> None:
        """Do what a step calls for that publishes nothing."""
        if isinstance(step, Login):
            await self._log_in(step)
        elif isinstance(step, Ping):
            self._parts.journal.pinged()
        elif isinstance(step, EmptyFrame):
            self._note_without_records(step)
            await self._answers.answer(step.answer)
        elif isinstance(step, CommandFrame):
            self._note_without_records(step)
        elif isinstance(step, BadLogin):
            error = HandshakeError(BAD_LOGINS[step.code], imei=self.imei or None, code=step.code)
            self._parts.journal.login_malformed(error, address=self.address)
            self._shut_down(f"no login: {step.code}")
        elif isinstance(step, RefusedFrame):
            refused_frames = RefusedFrames(self._session, self._answers, self._parts)
            if not await refused_frames.take(step, address=self.address, tap=self._tap):
                self._shut_down(f"frame refused: {step.code}")

    def _note_without_records(self, frame: EmptyFrame | CommandFrame) -> None:
        self._parts.quarantine.forget(self.imei)
        self._parts.journal.frame_without_records(frame.codec)

    async def _log_in(self, login: Login) -> None:
        parts, imei = self._parts, login.imei
        verdict = parts.devices.verdict(imei)
        if not verdict.is_accepted:
            error = HandshakeError("the device is not on the list", imei=imei, code="not_listed")
            parts.journal.login_refused(error, address=self.address)
            self._reason = "login refused"
            await self._send(self._session.refuse(clocks.monotonic_ms()))
            return
        if (older := parts.roster.enter(imei, self)) is not None:
            parts.journal.device_replaced(imei, address=older.address)
            older.close("replaced by a newer connection")
        parts.journal.device_connected(
            imei,
            address=self.address,
            transport=self.transport,
            is_known=verdict.is_known,
        )
        answer = self._session.admit()
        self._take_tap(is_login=True)
        await self._send(answer)

    async def _send(self, data: bytes) -> None:
        if self._wire is not None:
            await self._wire.send(data)

    @property
    def _answers(self) -> Answering:
        if (answering := self._answering) is None:
            assert self._wire is not None
            answering = Answering(self, self._session, self._wire, self._parts)
            self._answering = answering
        return answering

    @property
    def _tap(self) -> Tap | None:
        return None if self._wire is None else self._wire.tap

    def _take_tap(self, *, is_login: bool) -> None:
        """Let whoever watches hear of this conversation, or nobody any more."""
        if self._wire is not None and (is_login or self._session.is_at_boundary):
            self._asks_for_tap = False
            self._wire.tap = self._parts.taps.of(self.imei)
            if (tap := self._tap) is not None:
                tap.opened(address=self.address, transport=self.transport, is_login=is_login)

    def _shut_down(self, reason: str) -> None:
        """Send FIN, and read on until the device does the same: what it was sent must reach it."""
        if not self._is_shut_down:
            self._is_shut_down = True
            self._reason = reason
            self._connection.shutdown()
            self._session.linger(clocks.monotonic_ms())

    def _ended(self) -> None:
        parts, imei = self._parts, self.imei
        # Before a session was established, whoever was to establish it has said what happened.
        if self._wire is not None and not self._session.received_bytes:
            parts.journal.probed(address=self.address)
        if imei:
            parts.roster.leave(imei, self)
            parts.journal.device_disconnected(
                imei, address=self.address, reason=self._reason, frames=self.frames
            )
        if (tap := self._tap) is not None:
            tap.closed(self._reason)
