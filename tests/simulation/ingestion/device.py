"""A device that keeps the rules: one frame in flight, sent again over a new connection until it is answered."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio

from tests.support.ingestion_frames import imei_of

if TYPE_CHECKING:
    from tests.simulation.ingestion.frames import Frame
    from tests.simulation.ingestion.life import Life
    from tests.simulation.ingestion.simulation import Simulation

# Virtual times: how long it waits for an answer, and before it calls again.
RESPONSE_S: Final = 6.0
REDIAL_S: Final = 0.3
LATENCY_S: Final = 0.001
PIECE_PAUSE_S: Final = 0.2


@dataclass(eq=False, slots=True)
class Call:
    """One connection, from the device's end."""

    far: trio.socket.SocketType
    life: Life
    is_over: bool = False
    is_refused: bool = False
    """The device has sent something on it for which it may be closed."""


class Device:
    """Sends the frames that it is given, in their order, for as long as the simulation lasts."""

    def __init__(self, simulation: Simulation, number: int) -> None:
        self.imei = imei_of(number)
        self.frames: list[Frame] = []
        """All that it was given."""
        self.answered: list[Frame] = []
        self.transmissions: list[Frame] = []
        """Each that it has sent whole, as often as it did."""
        self.abandoned: list[Call] = []
        """Connections that it left without closing them: its address is another one now."""
        self.heard: Counter[Life] = Counter()
        """Answers to frames, by who gave them."""
        self.is_patient = True
        """It has never left a connection before the answer."""
        self._simulation = simulation
        self._news = trio.Event()
        self._calling = trio.CancelScope()
        self._moves = False

    @property
    def is_content(self) -> bool:
        """Whether all its frames are answered."""
        return len(self.answered) == len(self.frames)

    @property
    def is_waiting(self) -> bool:
        """Whether it has sent a frame that has no answer yet."""
        return not self.is_content and bool(self.transmissions)

    def give(self, *frames: Frame) -> None:
        """Have it send these frames, behind those that it has."""
        self.frames += frames
        self._news.set()

    def move(self) -> None:
        """Its link is dead, and nobody says so: it calls at once from another address."""
        self._moves = True
        self.is_patient = False
        self._calling.cancel()

    async def run(self) -> None:
        """Call, talk and call again until cancelled."""
        while True:
            if (call := self._simulation.dial()) is None:
                await trio.sleep(REDIAL_S)
                continue
            self._moves = False
            try:
                with trio.CancelScope() as self._calling, suppress(ConnectionError):
                    await self._talk(call)
            finally:
                if self._moves:
                    self.abandoned.append(call)
                else:
                    call.far.close()
            await trio.sleep(0 if self._moves else REDIAL_S)

    async def _talk(self, call: Call) -> None:
        answer = None
        await call.far.send(b"\x00\x0f" + self.imei.encode())
        with trio.move_on_after(RESPONSE_S):
            answer = await self._receive(call, 1)
        if answer is None:
            return
        if answer != b"\x01":
            self._simulation.wrong(f"the login of {self.imei} was answered with {answer!r}")
        self._simulation.check_abandoned(self)
        while await self._has_frame(call):
            frame = self.frames[len(self.answered)]
            await self._send(call, frame)
            with trio.move_on_after(RESPONSE_S) as patience:
                if (answer := await self._receive(call, 4)) is None:
                    return
                self._hear(call, frame, answer)
            if patience.cancelled_caught:
                self.is_patient = False
                return

    async def _has_frame(self, call: Call) -> bool:
        """Wait for a frame to send; False: the server has closed."""
        while self.is_content:
            self._news = trio.Event()
            async with trio.open_nursery() as either:
                either.start_soon(self._notice, call, either.cancel_scope)
                await self._news.wait()
                either.cancel_scope.cancel()
            if call.is_over:
                return False
        return True

    async def _notice(self, call: Call, scope: trio.CancelScope) -> None:
        if (unexpected := await self._receive(call, 1)) is not None:
            self._simulation.wrong(f"{self.imei} heard {unexpected!r}, and had asked nothing")
        call.is_over = True
        scope.cancel()

    async def _send(self, call: Call, frame: Frame) -> None:
        stalls, frame.stalls = frame.stalls, False
        for number, piece in enumerate(frame.pieces):
            if number:
                await trio.sleep(PIECE_PAUSE_S)
            if stalls and number == len(frame.pieces) - 1:
                # The link is dead in one direction: the rest never comes.
                call.is_refused = True
                return
            await call.far.send(piece)
        call.is_refused |= frame.is_refused
        self.transmissions.append(frame)

    def _hear(self, call: Call, frame: Frame, answer: bytes) -> None:
        if answer != frame.answer:
            self._simulation.wrong(
                f"{self.imei} was answered {answer!r} instead of {frame.answer!r}"
            )
        self._simulation.check_answered(self, frame)
        self.answered.append(frame)
        self.heard[call.life] += 1

    async def _receive(self, call: Call, count: int) -> bytes | None:
        """So many bytes; None if the connection ends before."""
        received = b""
        while len(received) < count:
            await trio.lowlevel.wait_readable(call.far)
            await trio.sleep(LATENCY_S)
            piece = b"" if call.life.is_lost else await call.far.recv(count - len(received))
            if not piece:
                call.is_over = True
                self._simulation.check_end(self, call)
                return None
            received += piece
        return received
