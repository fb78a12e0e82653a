"""Plays a scenario whole, or cut at one checkpoint: by a stop request, or by one of two kinds of crash."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

import trio

from tests.simulation.checkpoints import Checkpoints
from tests.simulation.clockwork import simulate
from tests.simulation.promise import violations
from tests.simulation.scenarios import SCENARIOS, Scenario
from tests.simulation.simulation import EdgeClasses, Simulation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.life import Life

SUBJECT, SUCCESSOR = "processor-1", "processor-2"
# Virtual time: many times what survivors need to settle everything.
FINISHING_S = 300.0
LOOK_EVERY_S = 0.5
# The time of the row that is published last, in seconds after noon.
LATER = 1_000


class Kind(Enum):
    """The event at a checkpoint."""

    STOP = "stop"
    """SIGTERM; it is the second one if the scenario has already sent one."""
    CRASH = "crash"
    """The end of the process; its calls that are under way are lost."""
    CRASH_LATE = "crash-late"
    """The end of the process; its calls that are under way still take effect."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One run of a scenario. Checkpoints count from 1; a run that is cut at 0 is a whole one."""

    scenario: str
    kind: Kind = Kind.STOP
    checkpoint: int = 0
    seed: int = 0

    def strike(self, life: Life) -> None:
        """Do to the life what this cut does."""
        if self.kind is Kind.STOP:
            life.stop()
        else:
            life.kill(arrives=self.kind is Kind.CRASH_LATE)

    @property
    def successor(self) -> str:
        """The name of the instance that finishes the rest: by turns a restart under the same name, and a peer.

        Two seeds in a row try both at each checkpoint.
        """
        return SUBJECT if (self.checkpoint + self.seed) % 2 else SUCCESSOR

    @property
    def command(self) -> str:
        """The command that repeats it."""
        cut = f"{self.kind.value}@{self.checkpoint}"
        return f'make sim ARGS="--scenario {self.scenario} --cut {cut} --seed {self.seed}"'


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run."""

    cut: Cut
    checkpoints: int
    """The checkpoints of the life that is cut, up to its end."""
    violations: tuple[str, ...]


def run(cut: Cut, edges: EdgeClasses | None = None) -> Outcome:
    """Play one run, and have survivors finish it."""
    checkpoints = Checkpoints()
    checkpoints.strike_at(cut.checkpoint, cut.strike)
    play = partial(_play, cut, checkpoints, edges or EdgeClasses())
    found = simulate(play, seed=cut.seed, instrument=checkpoints)
    if checkpoints.fault is not None:
        raise checkpoints.fault
    return Outcome(cut, checkpoints.passed, tuple(found))


def cuts_of(scenario: str, seed: int = 0) -> Iterator[Cut]:
    """Every cut of a scenario, after a pass that counts its checkpoints."""
    whole = run(Cut(scenario, seed=seed))
    for checkpoint in range(1, whole.checkpoints + 1):
        for kind in Kind:
            yield Cut(scenario, kind, checkpoint, seed)


async def _play(cut: Cut, checkpoints: Checkpoints, edges: EdgeClasses) -> list[str]:
    scenario = SCENARIOS[cut.scenario]
    async with trio.open_nursery() as nursery:
        simulation = Simulation(nursery, checkpoints, scenario.env, edges)
        scenario.prepare(simulation)
        subject = simulation.start(SUBJECT)
        checkpoints.watch(subject)
        for peer in scenario.peers:
            simulation.start(peer)
        played = trio.Event()
        nursery.start_soon(_direct, scenario, simulation, played)
        await subject.ended.wait()
        await finish(simulation, cut.successor, played)
        nursery.cancel_scope.cancel()
    return violations(simulation)


async def _direct(scenario: Scenario, simulation: Simulation, played: trio.Event) -> None:
    await scenario.script(simulation)
    if simulation.subject.asked_at is None:
        simulation.subject.stop()
    played.set()


async def finish(simulation: Simulation, successor: str, played: trio.Event) -> None:
    """Let the survivors settle everything, and stop them."""
    if not simulation.living:
        simulation.start(successor)
    await played.wait()
    simulation.heal()
    if simulation.lacks_evidence:
        simulation.publish(LATER)
    with trio.move_on_after(FINISHING_S):
        while not simulation.is_settled:
            if not simulation.living:
                simulation.start(successor)
            await trio.sleep(LOOK_EVERY_S)
    for life in simulation.living:
        life.stop()
        await life.ended.wait()
    simulation.is_finished = True
