"""Run, the whole: the load, the rounds one after the other, and the settling."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import trio

from drills.judgement import Bounds, judge_life
from drills.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from drills.lives import Instance, Lives
    from drills.observed import Life
    from drills.plan import Fault, Round

Outcome = TypeVar("Outcome", bound=Result)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Everything that is decided before a drill starts."""

    name: str
    seed: int
    fault: Fault
    rate: int
    """A second."""
    rounds: tuple[Round, ...]
    instances: tuple[Instance, ...]
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a drill is."""

    rounds_done: int
    records: int
    violations: int


class Conductor(ABC, Generic[Outcome]):
    """Runs a drill, once; calls `show` after each round. The load, and what settled means, depend on the service."""

    def __init__(self, setting: Setting, lives: Lives, show: Callable[[Progress], None]) -> None:
        self._plan = setting
        self._lives = lives
        self._show = show
        self._lived: list[Life] = []
        self._violations: list[str] = []
        self._started = 0.0

    async def run(self) -> Outcome:
        """All rounds, then the settling. Raises DrillFailed, ConfigError, EdgeError."""
        self._started = trio.current_time()
        async with trio.open_nursery() as watching:
            watching.start_soon(self._watch)
            async with trio.open_nursery() as loading:
                loading.start_soon(self._load)
                for plan in self._plan.rounds:
                    await self._round(plan)
                loading.cancel_scope.cancel()
            last = await self._settle()
            watching.cancel_scope.cancel()
        return await self._conclude(last)

    @abstractmethod
    async def _load(self) -> None:
        """Give the service work, until cancelled behind the last round."""

    @abstractmethod
    async def _watch(self) -> None:
        """Whatever else goes on, until cancelled when everything is settled."""

    @abstractmethod
    async def _before(self, plan: Round) -> None:
        """Prepare a round."""

    @abstractmethod
    async def _after(self) -> int:
        """Tidy up behind a round; how many records there are by now."""

    @abstractmethod
    async def _until_settled(self) -> None:
        """Wait until the last life has settled everything, or long enough."""

    @abstractmethod
    async def _conclude(self, last: Life) -> Outcome:
        """Judge what is left, and report."""

    async def _round(self, plan: Round) -> None:
        await self._before(plan)
        instance = self._plan.instances[plan.instance]
        life = await self._lives.of_round(plan, instance, self._plan.fault)
        self._lived.append(life)
        self._violations += judge_life(life, self._plan.bounds)
        records = await self._after()
        self._show(Progress(len(self._lived), records, len(self._violations)))

    async def _settle(self) -> Life:
        """One more life, which is stopped when everything is settled, or after a while."""
        number = len(self._plan.rounds)
        instance = self._plan.instances[number % len(self._plan.instances)]
        life = await self._lives.last(number, instance, self._until_settled)
        self._violations += judge_life(life, self._plan.bounds)
        return life
