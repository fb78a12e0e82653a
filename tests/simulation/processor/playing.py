"""Plays a scenario of the processor: a life that may be cut, and the survivors that finish what it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from tests.simulation.processor.promise import violations
from tests.simulation.processor.scenarios import SCENARIOS, Scenario
from tests.simulation.processor.simulation import EdgeClasses, Simulation

if TYPE_CHECKING:
    from tests.simulation.checkpoints import Checkpoints
    from tests.simulation.cuts import Cut

SUBJECT, SUCCESSOR = "processor-1", "processor-2"
# Virtual time: many times what survivors need to settle everything.
FINISHING_S = 300.0
LOOK_EVERY_S = 0.5
# The time of the row that is published last, in seconds after noon.
LATER = 1_000


async def play(cut: Cut, checkpoints: Checkpoints, edges: EdgeClasses | None) -> list[str]:
    """Play a scenario with its cut, and have survivors finish it. Returns what broke the promise."""
    scenario = SCENARIOS[cut.scenario]
    async with trio.open_nursery() as nursery:
        simulation = Simulation(nursery, checkpoints, scenario.env, edges or EdgeClasses())
        scenario.prepare(simulation)
        subject = simulation.start(SUBJECT)
        checkpoints.watch(subject)
        for peer in scenario.peers:
            simulation.start(peer)
        played = trio.Event()
        nursery.start_soon(_direct, scenario, simulation, played)
        await subject.ended.wait()
        await finish(simulation, SUBJECT if cut.is_restarted else SUCCESSOR, played)
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
