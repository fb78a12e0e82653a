"""The simulation itself: how a life that is killed looks from the outside."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from telemetry.chassis.exit_codes import ExitCode
from tests.simulation.checkpoints import Checkpoints
from tests.simulation.clockwork import simulate
from tests.simulation.processor.life import SEAMS
from tests.simulation.processor.simulation import Simulation
from tests.support.fakes.redis import parse_id


async def kill_in_an_acknowledgement(*, arrives: bool) -> Simulation:
    """Kill a life while its only acknowledgement is on the way to Redis."""
    async with trio.open_nursery() as nursery:
        simulation = Simulation(nursery, Checkpoints())
        life = simulation.start("processor-1")
        await trio.sleep(1)
        simulation.postgres_slows_down()
        simulation.publish(0)
        await trio.sleep(0.5)
        simulation.redis_freezes()
        await trio.sleep(1)
        assert len(simulation.table.rows) == 1
        life.kill(arrives=arrives)
        simulation.publish(1)
        simulation.heal()
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    return simulation


@pytest.mark.parametrize("arrives", [True, False])
def test_what_a_killed_life_had_sent_arrives_or_not_and_nothing_follows_it(arrives: bool) -> None:
    play = partial(kill_in_an_acknowledgement, arrives=arrives)
    simulation = simulate(play, seed=0, instrument=Checkpoints(), seams=SEAMS)
    first, _ = map(parse_id, simulation.published)
    assert (first in simulation.redis.pending) is not arrives
    assert len(simulation.table.rows) == 1
    assert simulation.lives[0].code is None


async def stop_after(seconds: float) -> Simulation:
    async with trio.open_nursery() as nursery:
        simulation = Simulation(nursery, Checkpoints())
        simulation.publish(0)
        life = simulation.start("processor-1")
        await trio.sleep(seconds)
        life.stop()
        await life.ended.wait()
        nursery.cancel_scope.cancel()
    return simulation


def test_a_life_that_is_asked_to_stop_ends_by_itself() -> None:
    simulation = simulate(partial(stop_after, 1.0), seed=0, instrument=Checkpoints(), seams=SEAMS)
    [life] = simulation.lives
    assert life.code is ExitCode.CLEAN
    assert life.acked == simulation.published.keys()
    assert simulation.redis.pending == {}


def test_virtual_hours_pass_in_no_time() -> None:
    async def sleep() -> float:
        await trio.sleep(3_600)
        return trio.current_time()

    assert simulate(sleep, seed=0, instrument=Checkpoints(), seams=SEAMS) == pytest.approx(3_600)
