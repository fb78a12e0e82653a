"""Run, the whole: the load, the rounds one after the other, the settling, and the count of what the servers hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import trio

from drills.judgement import Bounds, FinalState, judge_ending, judge_life, tally
from drills.lives import until
from drills.load import Load
from drills.result import Result, Sample, Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from drills.lives import Instance, Lives
    from drills.load import Drive
    from drills.observed import Life, PositionKey
    from drills.plan import Fault, Round
    from drills.stream import DrillStream
    from drills.table import DrillTable

# Beyond CLAIM_THRESHOLD_MS, for the last life to settle everything.
_SETTLE_S_MAX = 60.0


@dataclass(frozen=True)
class Setting:
    """Everything that is decided before a drill starts."""

    name: str
    seed: int
    fault: Fault
    drive: Drive
    rate: int
    """Records a second."""
    rounds: tuple[Round, ...]
    instances: tuple[Instance, ...]
    bounds: Bounds
    claim_threshold_ms: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a drill is."""

    rounds_done: int
    published: int
    violations: int


class Conductor:
    """Runs a drill, once; calls `show` after each round."""

    def __init__(
        self,
        setting: Setting,
        stream: DrillStream,
        table: DrillTable,
        lives: Lives,
        show: Callable[[Progress], None],
    ) -> None:
        self._setting = setting
        self._stream = stream
        self._table = table
        self._lives = lives
        self._show = show
        self._load = Load(stream, setting.drive)
        self._timeline = Timeline()
        self._lived: list[Life] = []
        self._violations: list[str] = []
        self._started = 0.0

    async def run(self) -> Result:
        """All rounds, then the settling. Raises DrillFailed, ConfigError, EdgeError."""
        self._started = trio.current_time()
        async with trio.open_nursery() as watching:
            watching.start_soon(self._sample)
            async with trio.open_nursery() as loading:
                loading.start_soon(self._load.run_steadily, self._setting.rate)
                for plan in self._setting.rounds:
                    await self._round(plan)
                loading.cancel_scope.cancel()
            last = await self._settle()
            watching.cancel_scope.cancel()
        ending = await self._ending(last)
        self._violations += judge_ending(ending)
        return Result(
            name=self._setting.name,
            fault=self._setting.fault,
            seed=self._setting.seed,
            bounds=self._setting.bounds,
            seconds=trio.current_time() - self._started,
            lives=tuple(self._lived),
            last_life=last,
            ending=ending,
            violations=tuple(self._violations),
            samples=tuple(self._timeline.samples),
        )

    async def _round(self, plan: Round) -> None:
        await self._load.publish(plan.backlog)
        instance = self._setting.instances[plan.instance]
        life = await self._lives.of_round(plan, instance, self._setting.fault)
        self._lived.append(life)
        self._violations += judge_life(life, self._setting.bounds)
        await trio.to_thread.run_sync(self._stream.trim_settled)
        self._show(Progress(len(self._lived), self._load.published, len(self._violations)))

    async def _settle(self) -> Life:
        """One more life, which is stopped when nothing is pending or undelivered, or after a while."""
        number = len(self._setting.rounds)
        instance = self._setting.instances[number % len(self._setting.instances)]
        life = await self._lives.last(number, instance, self._until_settled)
        self._violations += judge_life(life, self._setting.bounds)
        return life

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
                    published=self._load.published,
                    read=state.read,
                    acked=state.read - state.pending,
                    released=released,
                )
            )
            await trio.sleep(self._timeline.interval_s)

    async def _ending(self, last: Life) -> FinalState:
        letters = await trio.to_thread.run_sync(self._stream.dead_letters)
        return FinalState(
            tally=tally(self._load.published, await self._numbers_in_table()),
            inserted=sum(life.inserted for life in (*self._lived, last)),
            group=await trio.to_thread.run_sync(self._stream.state),
            unsettled=self._numbers_of(await trio.to_thread.run_sync(self._stream.unsettled)),
            dead_lettered=self._numbers_of(key for key, _ in letters),
            dead_letter_codes=tuple(code for _, code in letters),
        )

    async def _numbers_in_table(self) -> list[int]:
        drive = self._setting.drive
        numbers: list[int] = []
        for device_id in drive.device_ids:
            turns_ms = await trio.to_thread.run_sync(self._table.turns_ms, device_id, drive.start)
            numbers += (drive.number(device_id, turn_ms) for turn_ms in turns_ms)
        return numbers

    def _numbers_of(self, keys: Iterable[PositionKey]) -> frozenset[int]:
        drive = self._setting.drive
        return frozenset(
            drive.number(key.device_id, drive.turn_ms(key.ts))
            for key in keys
            if key.device_id in drive.device_ids
        )
