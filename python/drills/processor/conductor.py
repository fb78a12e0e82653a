"""Run, the whole drill of the processor: records go into the stream, and in the end each must be in the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import trio

from drills.conductor import Conductor, Progress, Setting
from drills.lives import until
from drills.processor.counting import count_ending
from drills.processor.judgement import judge_ending
from drills.processor.load import Load
from drills.processor.result import ProcessorResult
from drills.processor.timeline import Sample, Timeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from drills.lives import Lives
    from drills.observed import Life
    from drills.plan import Round
    from drills.processor.load import Drive
    from drills.processor.stream import DrillStream
    from drills.processor.table import DrillTable

# Beyond CLAIM_THRESHOLD_MS, for the last life to settle everything.
_SETTLE_S_MAX = 60.0


@dataclass(frozen=True, kw_only=True)
class ProcessorSetting(Setting):
    """What the processor's drill needs beyond any other's."""

    drive: Drive
    claim_threshold_ms: int


class ProcessorConductor(Conductor[ProcessorResult]):
    """Publishes steadily, and before some rounds a backlog."""

    def __init__(
        self,
        setting: ProcessorSetting,
        stream: DrillStream,
        table: DrillTable,
        lives: Lives,
        show: Callable[[Progress], None],
    ) -> None:
        super().__init__(setting, lives, show)
        self._setting = setting
        self._stream = stream
        self._table = table
        self._publishing = Load(stream, setting.drive)
        self._timeline = Timeline()

    async def _load(self) -> None:
        self._lives.has_load.set()
        await self._publishing.run_steadily(self._setting.rate)

    async def _watch(self) -> None:
        await self._sample()

    async def _before(self, plan: Round) -> None:
        await self._publishing.publish(plan.backlog)

    async def _after(self) -> int:
        await trio.to_thread.run_sync(self._stream.trim_settled)
        return self._publishing.published

    async def _conclude(self, last: Life) -> ProcessorResult:
        ending = await count_ending(
            self._stream,
            self._table,
            self._setting.drive,
            published=self._publishing.published,
            inserted=sum(life.inserted for life in (*self._lived, last)),
        )
        return ProcessorResult(
            name=self._setting.name,
            fault=self._setting.fault,
            seed=self._setting.seed,
            bounds=self._setting.bounds,
            seconds=trio.current_time() - self._started,
            lives=tuple(self._lived),
            last_life=last,
            violations=(*self._violations, *judge_ending(ending)),
            ending=ending,
            samples=tuple(self._timeline.samples),
        )

    async def _until_settled(self) -> None:
        with trio.move_on_after(self._setting.claim_threshold_ms / 1000 + _SETTLE_S_MAX):
            await until(self._is_settled)

    async def _is_settled(self) -> bool:
        return (await trio.to_thread.run_sync(self._stream.state)).settled

    async def _sample(self) -> NoReturn:
        while True:
            state = await trio.to_thread.run_sync(self._stream.state)
            released = sum(life.left.released for life in self._lived)
            self._timeline.add(
                Sample(
                    at_s=trio.current_time() - self._started,
                    published=self._publishing.published,
                    read=state.read,
                    acked=state.read - state.pending,
                    released=released,
                )
            )
            await trio.sleep(self._timeline.interval_s)
