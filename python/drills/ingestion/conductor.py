"""Run, the whole drill of tcp-ingestion: devices send all the time, and what was answered must be in the stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from drills.conductor import Conductor, Progress, Setting
from drills.ingestion.judgement import compare, judge_ending
from drills.ingestion.result import IngestionResult
from drills.lives import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from drills.ingestion.devices import Devices
    from drills.ingestion.stream import PublishedStream
    from drills.lives import Lives
    from drills.observed import Life
    from drills.plan import Round

# For every device to find the last life, and to get an answer from it.
_SETTLE_S_MAX = 60.0


class IngestionConductor(Conductor[IngestionResult]):
    """The devices begin when the first life is ready, and end when each has been answered by the last one."""

    def __init__(
        self,
        setting: Setting,
        stream: PublishedStream,
        devices: Devices,
        lives: Lives,
        show: Callable[[Progress], None],
    ) -> None:
        super().__init__(setting, lives, show)
        self._stream = stream
        self._devices = devices
        self._heard: set[str] = set()

    async def _load(self) -> None:
        """Nothing: the devices go on behind the last round."""

    async def _watch(self) -> None:
        await self._lives.was_ready.wait()
        async with trio.open_nursery() as sending:
            sending.start_soon(self._devices.run)
            await until(self._is_answered)
            self._lives.has_load.set()

    async def _is_answered(self) -> bool:
        return self._devices.answered_bytes() > 0

    async def _before(self, plan: Round) -> None:
        """Nothing: devices are never waited for."""

    async def _after(self) -> int:
        return len(await trio.to_thread.run_sync(self._devices.answered))

    async def _until_settled(self) -> None:
        place = self._devices.answered_bytes()

        async def all_heard() -> bool:
            self._heard = await trio.to_thread.run_sync(self._devices.heard_since, place)
            return len(self._heard) == self._devices.count

        with trio.move_on_after(_SETTLE_S_MAX):
            await until(all_heard)
        await self._devices.stop()

    async def _conclude(self, last: Life) -> IngestionResult:
        sent = await trio.to_thread.run_sync(self._devices.sent)
        ending = compare(
            sent,
            await trio.to_thread.run_sync(self._devices.answered),
            await trio.to_thread.run_sync(self._stream.published),
            devices=self._devices.count,
            unheard=tuple(sorted({key.device_id for key in sent} - self._heard)),
            quarantined=await trio.to_thread.run_sync(self._stream.quarantined),
            simulator=self._devices.figures,
        )
        return IngestionResult(
            name=self._plan.name,
            fault=self._plan.fault,
            seed=self._plan.seed,
            bounds=self._plan.bounds,
            seconds=trio.current_time() - self._started,
            lives=tuple(self._lived),
            last_life=last,
            violations=(*self._violations, *judge_ending(ending)),
            ending=ending,
        )
