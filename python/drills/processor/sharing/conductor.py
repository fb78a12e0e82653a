"""Run, for one number of instances: the start, a backlog, the steady load with the events, and the settling."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from signal import SIGCONT, SIGSTOP
from typing import TYPE_CHECKING

import trio

from drills.judgement import faults_of
from drills.lives import until
from drills.processor.counting import count_ending
from drills.processor.judgement import judge_ending
from drills.processor.sharing.events import Events
from drills.processor.sharing.fleet import Fleet
from drills.processor.sharing.judgement import judge_handover
from drills.processor.sharing.plan import Event
from drills.processor.sharing.result import RunResult, Share
from drills.processor.sharing.sampling import Sampler
from drills.processor.sharing.timed_load import TimedLoad

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drills.judgement import Bounds
    from drills.launch import Launcher
    from drills.processor.load import Drive
    from drills.processor.sharing.judgement import ClaimBounds
    from drills.processor.sharing.plan import LoadOptions
    from drills.processor.stream import DrillStream
    from drills.processor.table import DrillTable

_SAMPLE_S = 0.2
# Beyond CLAIM_THRESHOLD_MS, for everything to be settled.
_SETTLE_S_MAX = 60.0
# The log of the last batch follows the acknowledgement.
_LOGGED_S_MAX = 2.0


@dataclass(frozen=True, kw_only=True)
class RunSetting:
    """Everything that is decided before a run starts."""

    name: str
    instances: int
    options: LoadOptions
    launcher: Launcher
    environment_of: Callable[[int], Mapping[str, str]]
    drive: Drive
    claims: ClaimBounds
    drain: Bounds
    shutdown_timeout_ms: int


class LoadConductor:
    """Conducts one run, once; `show` is called behind each event."""

    def __init__(
        self,
        setting: RunSetting,
        stream: DrillStream,
        table: DrillTable,
        show: Callable[[int], None],
    ) -> None:
        self._setting = setting
        self._stream = stream
        self._table = table
        self._show = show
        self._load = TimedLoad(stream, setting.drive)
        self._started = 0.0
        self._sampler = Sampler(stream, table, self._load, setting.drive, self._elapsed_s)

    async def run(self) -> RunResult:
        """The whole run. Raises DrillFailed, ConfigError, EdgeError."""
        setting, self._started = self._setting, trio.current_time()
        async with trio.open_nursery() as living:
            fleet = Fleet(
                setting.launcher,
                living,
                setting.environment_of,
                shutdown_timeout_ms=setting.shutdown_timeout_ms,
            )
            events = Events(fleet, self._stream, setting.claims, self._elapsed_s)
            await fleet.start_all(setting.instances)
            backlog = await self._share_backlog(fleet)
            steady = await self._under_load(fleet, events)
            with trio.move_on_after(setting.claims.threshold_ms / 1000 + _SETTLE_S_MAX):
                await until(self._is_settled)
            await fleet.stop_all()
        return await self._conclude(fleet, events, backlog, steady)

    async def _share_backlog(self, fleet: Fleet) -> Share | None:
        """Stop all of them, publish, and have them begin together."""
        count = self._setting.options.backlog
        if not count or Event.SHARE not in self._setting.options.events:
            return None
        for member in fleet.members:
            await member.service.send(SIGSTOP)
        await self._load.publish(count)
        began, before = trio.current_time(), _inserted(fleet)
        for member in fleet.members:
            await member.service.send(SIGCONT)
        await until(self._is_settled)
        took_s = trio.current_time() - began
        await until_logged(fleet, sum(before) + count)
        await trio.to_thread.run_sync(self._stream.trim_settled)
        return Share(_gained(fleet, before), took_s)

    async def _under_load(self, fleet: Fleet, events: Events) -> Share:
        options = self._setting.options
        async with trio.open_nursery() as loading:
            loading.start_soon(self._load.run_steadily, options.rate)
            loading.start_soon(self._sampler.run, _SAMPLE_S)
            began, before = trio.current_time(), _inserted(fleet)
            await trio.sleep(options.seconds)
            steady = Share(_gained(fleet, before), trio.current_time() - began)
            for event in options.events_with(self._setting.instances):
                if event is not Event.SHARE:
                    await events.carry_out(event)
                    await trio.sleep(options.seconds)
                    await trio.to_thread.run_sync(self._stream.trim_settled)
                self._show(self._load.published)
            loading.cancel_scope.cancel()
        return steady

    async def _is_settled(self) -> bool:
        return (await trio.to_thread.run_sync(self._stream.state)).settled

    async def _conclude(
        self, fleet: Fleet, events: Events, backlog: Share | None, steady: Share
    ) -> RunResult:
        setting = self._setting
        ending = await count_ending(
            self._stream,
            self._table,
            setting.drive,
            published=self._load.published,
            inserted=fleet.inserted,
        )
        wrong_lives = [
            f"{life.consumer} (life {life.round + 1}): {what}"
            for life in fleet.lives
            for what in faults_of(life, setting.drain)
        ]
        handed_over = [what for each in events.handovers for what in judge_handover(each)]
        return RunResult(
            name=setting.name,
            instances=setting.instances,
            seconds=self._elapsed_s(),
            backlog=backlog,
            steady=steady,
            handovers=tuple(events.handovers),
            spans=tuple(events.spans),
            marks=tuple(events.marks),
            samples=tuple(self._sampler.samples),
            lives=tuple(fleet.lives),
            ending=ending,
            violations=(*handed_over, *wrong_lives, *judge_ending(ending)),
        )

    def _elapsed_s(self) -> float:
        return trio.current_time() - self._started


def _inserted(fleet: Fleet) -> list[int]:
    return [each.service.inserted for each in fleet.members]


def _gained(fleet: Fleet, before: list[int]) -> tuple[int, ...]:
    return tuple(now - then for now, then in zip(_inserted(fleet), before, strict=True))


async def until_logged(fleet: Fleet, rows: int) -> None:
    """Wait until the logs have this number of rows, for `_LOGGED_S_MAX` at most."""
    with trio.move_on_after(_LOGGED_S_MAX):
        await until(partial(_has_logged, fleet, rows))


async def _has_logged(fleet: Fleet, rows: int) -> bool:
    await trio.lowlevel.checkpoint()
    return fleet.inserted >= rows
