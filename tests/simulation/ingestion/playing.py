"""Plays a scenario of tcp-ingestion: a life that may be cut, and the next one, in which every device gets through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from tests.simulation.ingestion.promise import violations
from tests.simulation.ingestion.scenarios import SCENARIOS
from tests.simulation.ingestion.simulation import Simulation

if TYPE_CHECKING:
    from tests.simulation.checkpoints import Checkpoints
    from tests.simulation.cuts import Cut
    from tests.simulation.ingestion.scenarios import Scenario

# Virtual time: many times what devices need to get through.
FINISHING_S = 300.0
LOOK_EVERY_S = 0.5
# Until somebody starts another instance, if none is started at once.
ABSENCE_S = 2.0


async def play(cut: Cut, checkpoints: Checkpoints, _: object) -> list[str]:
    """Play a scenario with its cut, and have another life finish it. Returns what broke the promise."""
    scenario = SCENARIOS[cut.scenario]
    async with trio.open_nursery() as nursery:
        simulation = Simulation(nursery, checkpoints, scenario.env)
        subject = simulation.start()
        checkpoints.watch(subject)
        simulation.add_devices(scenario.devices)
        played = trio.Event()
        nursery.start_soon(_direct, scenario, simulation, played)
        await subject.ended.wait()
        if not cut.is_restarted:
            await trio.sleep(ABSENCE_S)
        await finish(simulation, played)
        nursery.cancel_scope.cancel()
    simulation.redis.close()
    return violations(simulation)


async def _direct(scenario: Scenario, simulation: Simulation, played: trio.Event) -> None:
    await scenario.script(simulation)
    if simulation.subject.asked_at is None:
        simulation.subject.stop()
    played.set()


async def finish(simulation: Simulation, played: trio.Event) -> None:
    """Let every device get through to a life, and stop that."""
    if not simulation.living:
        simulation.start()
    await played.wait()
    simulation.redis_recovers()
    with trio.move_on_after(FINISHING_S):
        while not simulation.is_settled:
            if not simulation.living:
                simulation.start()
            await trio.sleep(LOOK_EVERY_S)
    for life in simulation.living:
        life.stop()
        await life.ended.wait()
    simulation.is_finished = True
