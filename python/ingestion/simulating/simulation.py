"""All devices together: connected, started at one moment, stopped by the clock, a signal, or their last frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio

from ingestion.simulating.link import LinkLost, NobodyListens
from telemetry.chassis.errors import EdgeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from ingestion.simulating.device import Device, Dialler
    from ingestion.simulating.plan import SimulationPlan
    from ingestion.simulating.tally import Tally

SILENCE_S_MAX: Final = 60
"""A simulation without an end of its own gives up when frames have been waiting for so long, and none was answered."""

_LOOK_S: Final = 1.0
# Beyond the time in which the answers to what is in hand have to come.
_END_S_MAX: Final = 1.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a simulation ended."""

    seconds: float
    """From when all devices had connected."""
    interrupted: bool
    gave_up: bool


class Simulation:
    """Runs devices once. `show` gets the number of answered frames, once a second."""

    def __init__(
        self,
        devices: Sequence[Device],
        plan: SimulationPlan,
        tally: Tally,
        show: Callable[[int], None],
    ) -> None:
        self._devices = devices
        self._plan = plan
        self._tally = tally
        self._show = show
        # A second signal, or devices that do not end, cancel it.
        self._scope = trio.CancelScope()
        self._interrupted = False
        self._gave_up = False

    async def run(self, dialler: Dialler, where: str, signals: AsyncIterator[int]) -> Ending:
        """Play until the end. Raises EdgeError if nobody listens at the start."""
        await self._find_out_whether_anybody_listens(dialler, where)
        started_at = trio.current_time()
        with self._scope:
            async with trio.open_nursery() as watching:
                watching.start_soon(self._heed, signals)
                await self._connect_the_others(dialler)
                started_at = trio.current_time()
                watching.start_soon(self._watch)
                if self._plan.seconds is not None:
                    watching.start_soon(self._stop_after, self._plan.seconds)
                async with trio.open_nursery() as playing:
                    for device in self._devices:
                        playing.start_soon(device.play, dialler, started_at)
                watching.cancel_scope.cancel()
        return Ending(trio.current_time() - started_at, self._interrupted, self._gave_up)

    async def _find_out_whether_anybody_listens(self, dialler: Dialler, where: str) -> None:
        try:
            await self._devices[0].dial(dialler)
        except NobodyListens as error:
            raise EdgeError(str(error), where=where) from error
        except LinkLost:
            pass  # It will try again when it plays.

    async def _connect_the_others(self, dialler: Dialler) -> None:
        async with trio.open_nursery() as connecting:
            for device in self._devices[1:]:
                connecting.start_soon(_try_to_dial, device, dialler)

    async def _heed(self, signals: AsyncIterator[int]) -> None:
        async for _ in signals:
            if self._interrupted:
                self._scope.cancel()
            self._interrupted = True
            self._stop()

    async def _stop_after(self, seconds: float) -> None:
        await trio.sleep(seconds)
        self._stop()

    async def _watch(self) -> None:
        """Show how far it is, and notice that nothing is answered any more."""
        answered, silent_s = self._tally.frames_answered, 0.0
        while True:
            await trio.sleep(_LOOK_S)
            self._show(self._tally.frames_answered)
            is_silent = self._tally.frames_in_hand and self._tally.frames_answered == answered
            answered, silent_s = (
                self._tally.frames_answered,
                silent_s + _LOOK_S if is_silent else 0.0,
            )
            if silent_s >= SILENCE_S_MAX and self._plan.seconds is None:
                self._gave_up = True
                self._stop()

    def _stop(self) -> None:
        for device in self._devices:
            device.stop()
        self._scope.deadline = min(
            self._scope.deadline,
            trio.current_time() + self._plan.response_timeout_s + _END_S_MAX,
        )


async def _try_to_dial(device: Device, dialler: Dialler) -> None:
    try:
        await device.dial(dialler)
    except LinkLost:
        return
