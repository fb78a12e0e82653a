"""Plans of whole simulations: lives, publishing and troubles, as a list of small steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import trio

from tests.simulation.checkpoints import Checkpoints
from tests.simulation.clockwork import simulate
from tests.simulation.processor import redis_troubles
from tests.simulation.processor.life import SEAMS
from tests.simulation.processor.playing import finish
from tests.simulation.processor.promise import violations
from tests.simulation.processor.simulation import (
    DISCARDED_DEVICE,
    KILLER_DEVICE,
    REFUSED_DEVICE,
    EdgeClasses,
    Simulation,
)

if TYPE_CHECKING:
    from tests.simulation.processor.life import Life

NAMES = ("processor-1", "processor-2", "processor-3")


@dataclass(frozen=True, slots=True)
class Publish:
    """Positions of one device; seconds that were published before make duplicates."""

    first_second: int
    records: int
    device: int = 1

    async def happen(self, simulation: Simulation) -> None:
        for second in range(self.first_second, self.first_second + self.records):
            simulation.publish(second, device=self.device)


@dataclass(frozen=True, slots=True)
class PublishOdd:
    """A row that ends the session which writes it, or one that a trigger discards."""

    is_deadly: bool

    async def happen(self, simulation: Simulation) -> None:
        device = KILLER_DEVICE if self.is_deadly else DISCARDED_DEVICE
        simulation.publish(len(simulation.published), device=device)


@dataclass(frozen=True, slots=True)
class PublishPoison:
    """An entry that the server refuses, or the codec."""

    by_server: bool

    async def happen(self, simulation: Simulation) -> None:
        if self.by_server:
            simulation.publish(len(simulation.published), device=REFUSED_DEVICE)
        else:
            simulation.publish_malformed()


@dataclass(frozen=True, slots=True)
class Inherit:
    """Entries long pending under a dead consumer; delivered more than five times, they are suspects."""

    entries: int
    deliveries: int

    async def happen(self, simulation: Simulation) -> None:
        for _ in range(self.entries):
            simulation.publish(len(simulation.published))
        simulation.deliver_to_the_dead(deliveries=self.deliveries)


@dataclass(frozen=True, slots=True)
class Trim:
    """The oldest entries go, read or not."""

    entries: int

    async def happen(self, simulation: Simulation) -> None:
        kept = [each for each in simulation.published if each not in simulation.trimmed]
        for entry_id in kept[: self.entries]:
            simulation.trim(entry_id)


@dataclass(frozen=True, slots=True)
class Start:
    """An instance starts, if it does not live."""

    name: str

    async def happen(self, simulation: Simulation) -> None:
        if not _living(simulation, self.name):
            simulation.start(self.name)


@dataclass(frozen=True, slots=True)
class Stop:
    """An instance gets a stop request, the first or a second one, some of its checkpoints from now."""

    name: str
    checkpoints: int = 0

    async def happen(self, simulation: Simulation) -> None:
        _strike(simulation, self.name, self.checkpoints, lambda life: life.stop())


@dataclass(frozen=True, slots=True)
class Kill:
    """An instance is killed, some of its checkpoints from now."""

    name: str
    checkpoints: int = 0
    arrives: bool = False

    async def happen(self, simulation: Simulation) -> None:
        _strike(
            simulation, self.name, self.checkpoints, lambda life: life.kill(arrives=self.arrives)
        )


@dataclass(frozen=True, slots=True)
class Change:
    """A server goes away, freezes, slows down or comes back, or delivers again: a method of Simulation, by name."""

    what: str

    async def happen(self, simulation: Simulation) -> None:
        getattr(simulation, self.what)()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that Redis goes on answering in: one of TROUBLES, by name."""

    what: str

    async def happen(self, simulation: Simulation) -> None:
        TROUBLES[self.what](simulation)


TROUBLES: Mapping[str, Callable[[Simulation], None]] = {
    "fail over": redis_troubles.fail_over,
    "fill the memory": redis_troubles.fill,
    "close what is idle": partial(redis_troubles.close_idle, idle_s_max=0.8),
    "limit replies": partial(redis_troubles.limit_replies, entries_max=2),
    "slow down": partial(redis_troubles.slow_down, ack_records_max=2),
}

REFUSALS = (
    "table_refuses_all",
    "commits_are_refused",
    "partition_is_missing",
    "postgres_bears_little",
)
STANDBYS = ("standby_leaves", "standby_returns", "postgres_restarts", "standby_is_promoted")

CHANGES = (
    "redis_goes_away",
    "redis_freezes",
    "redis_recovers",
    "postgres_goes_away",
    "postgres_freezes",
    "postgres_slows_down",
    "postgres_recovers",
    "set_group_back",
    *REFUSALS,
    *STANDBYS,
)


@dataclass(frozen=True, slots=True)
class Pause:
    """Time passes; or, of 0 ms, everybody takes one step."""

    milliseconds: int

    async def happen(self, simulation: Simulation) -> None:
        del simulation
        await trio.sleep(self.milliseconds / 1000)


Step: TypeAlias = (
    "Publish | PublishOdd | PublishPoison | Inherit | Trim | Start | Stop | Kill"
    " | Change | Trouble | Pause"
)


def carry_out(plan: Sequence[Step], *, seed: int, edges: EdgeClasses | None = None) -> list[str]:
    """Play a plan, and have a survivor finish it. Returns what broke the promise."""
    checkpoints = Checkpoints()
    play = partial(_play, plan, checkpoints, edges or EdgeClasses())
    found = simulate(play, seed=seed, instrument=checkpoints, seams=SEAMS)
    if checkpoints.fault is not None:
        raise checkpoints.fault
    return found


async def _play(plan: Sequence[Step], checkpoints: Checkpoints, edges: EdgeClasses) -> list[str]:
    async with trio.open_nursery() as nursery:
        simulation = Simulation(nursery, checkpoints, edges=edges)
        for step in plan:
            await step.happen(simulation)
            await trio.lowlevel.checkpoint()
        simulation.heal()
        played = trio.Event()
        played.set()
        await finish(simulation, NAMES[0], played)
        nursery.cancel_scope.cancel()
    return violations(simulation)


def _living(simulation: Simulation, name: str) -> Life | None:
    return next((life for life in simulation.living if life.name == name), None)


def _strike(
    simulation: Simulation, name: str, checkpoints: int, strike: Callable[[Life], None]
) -> None:
    life = _living(simulation, name)
    if life is None:
        return
    if checkpoints == 0:
        strike(life)
    else:
        simulation.checkpoints.watch(life)
        simulation.checkpoints.strike_at(simulation.checkpoints.passed + checkpoints, strike)
