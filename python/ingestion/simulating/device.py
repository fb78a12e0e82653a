"""One device: what it sends when, and what it does about an answer, about a wrong one, and about none.

The rules are those of real devices: one frame in flight; another number than was sent: all again; no answer in time:
the link is closed, and the same frame goes out over a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import trio

from ingestion.simulating.frames import imei_of
from ingestion.simulating.link import Link, LinkLost, NobodyListens, OutOfStep
from telemetry.chassis.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from random import Random

    from ingestion.simulating.frames import FrameSource, OutgoingFrame
    from ingestion.simulating.link import ServerAddress
    from ingestion.simulating.plan import SimulationPlan
    from ingestion.simulating.tally import Tally

Answer = TypeVar("Answer")

# Of tries to connect and to log in. Real devices wait longer; here that would only lengthen a test.
_PAUSES: Final = Backoff(base_ms=200, max_ms=2_000)


class Dialler:
    """Makes connections to one server, not too many at a time: its listen queue is not what is under test."""

    def __init__(self, server: ServerAddress, *, at_once_max: int, within_s: float) -> None:
        self._server = server
        self._within_s = within_s
        self._places = trio.CapacityLimiter(at_once_max)

    async def connect(self) -> Link:
        """A new connection. Raises NobodyListens."""
        async with self._places:
            return await Link.connect(self._server, within_s=self._within_s)


class Device:
    """Plays one device; `number` counts from 0."""

    def __init__(
        self,
        number: int,
        frames: FrameSource,
        plan: SimulationPlan,
        tally: Tally,
        random: Random,
    ) -> None:
        self._number = number
        self._imei = imei_of(number)
        self._frames = frames
        self._plan = plan
        self._tally = tally
        self._random = random
        self._link: Link | None = None
        self._failures = 0
        self._stopping = False
        self._idle = trio.CancelScope()

    def stop(self) -> None:
        """No further frame: `play` ends when the frame in hand is answered."""
        self._stopping = True
        self._idle.cancel()

    async def dial(self, dialler: Dialler) -> None:
        """Try once to connect and to log in. Raises LinkLost."""
        try:
            link = await dialler.connect()
        except NobodyListens:
            self._tally.links_lost += 1
            raise
        self._link = link
        if not await self._answered_in_time(link.log_in(self._imei)):
            if self._link is not None:
                self._tally.refused += 1
                self._hang_up()
            raise LinkLost("not admitted")
        self._tally.connections += 1
        self._failures = 0

    async def play(self, dialler: Dialler, started_at: float) -> None:
        """Send all frames, each when it is due, until all are sent or the simulation stops."""
        number = 0
        try:
            while not self._frames.is_through:
                due = await self._wait_until_due(started_at, number)
                if due is None:
                    return
                await self._deliver(self._frames.next_frame(), due, dialler)
                number += 1
        finally:
            self._hang_up()

    async def _wait_until_due(self, started_at: float, number: int) -> float | None:
        """When frame `number` is due, once it is; None if the simulation stops before."""
        due_s = self._plan.due_s(self._number, number)
        due = trio.current_time() if due_s is None else started_at + due_s
        while not self._stopping and (left_s := due - trio.current_time()) > 0:
            await self._idle_for(min(left_s, self._plan.ping_after_s))
        return None if self._stopping else due

    async def _idle_for(self, seconds: float) -> None:
        """Wait with nothing to send. A link that the server closes is noticed; one that is silent gets a ping."""
        with trio.move_on_after(seconds) as self._idle:
            if self._link is None:
                await trio.sleep_forever()
            else:
                await self._lasting(self._link.listen())
        if self._link is not None and seconds == self._plan.ping_after_s and not self._stopping:
            await self._lasting(self._link.ping())

    async def _deliver(self, frame: OutgoingFrame, due: float, dialler: Dialler) -> None:
        self._tally.frames_begun += 1
        await self._send_until_answered(frame, dialler, again=False)
        self._tally.answered(self._imei, frame, (trio.current_time() - due) * 1_000)
        if self._happens(self._plan.resend_share):
            await self._send_until_answered(frame, dialler, again=True)
        if self._happens(self._plan.reconnect_share):
            self._hang_up()

    async def _send_until_answered(
        self, frame: OutgoingFrame, dialler: Dialler, *, again: bool
    ) -> None:
        answer = None
        while answer != frame.records:
            link = await self._linked(dialler)
            is_damaged = self._happens(self._plan.bad_share)
            self._tally.about_to_send(self._imei, frame, again=again)
            again = True
            data = frame.damaged() if is_damaged else frame.data
            answer = await self._answered_in_time(link.exchange(data))
            if answer is not None and (is_damaged or answer != frame.records):
                self._tally.wrong_answers += 1
                answer = None

    async def _linked(self, dialler: Dialler) -> Link:
        """The link, logged in and in step; a new one if the last is gone."""
        while True:
            link = self._link
            if link is not None and self._is_in_step(link):
                return link
            try:
                await self.dial(dialler)
            except LinkLost:
                self._failures += 1
                pause_ms = _PAUSES.pause_ms(self._failures, self._random.random)
                await trio.sleep((pause_ms or 0) / 1_000)

    async def _answered_in_time(self, answer: Awaitable[Answer]) -> Answer | None:
        """The answer; None if it does not come in time or the link ends before, which is closed then."""
        with trio.move_on_after(self._plan.response_timeout_s):
            return await self._lasting(answer)
        self._tally.timeouts += 1
        self._hang_up()
        return None

    def _is_in_step(self, link: Link) -> bool:
        try:
            link.check_silent()
        except LinkLost:
            self._tally.links_lost += 1
        except OutOfStep:
            self._tally.wrong_answers += 1
        else:
            return True
        self._hang_up()
        return False

    async def _lasting(self, work: Awaitable[Answer]) -> Answer | None:
        """Its result; None if the link ends or falls out of step, which is closed then."""
        try:
            return await work
        except LinkLost:
            self._tally.links_lost += 1
        except OutOfStep:
            self._tally.wrong_answers += 1
        self._hang_up()
        return None

    def _hang_up(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _happens(self, share: float) -> bool:
        return share > 0 and self._random.random() < share
