"""The scenarios of tcp-ingestion in which a life is cut."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import trio

from tests.simulation.ingestion.frames import in_pieces, sound, undecodable
from tests.simulation.ingestion.redis import NOPERM, OOM
from tests.simulation.ingestion.simulation import Simulation

Script: TypeAlias = Callable[[Simulation], Awaitable[None]]

SETTLING_S = 0.5
OUTAGE_S = 3.0
# Longer than a silent Redis is waited for, and than a device waits for its answer.
LONG_OUTAGE_S = 8.0
BUSY_S = 0.05


def give_all(simulation: Simulation, first: int, frames: int = 1) -> None:
    """A few more frames for each device; `first` is the number of the first one."""
    for device in simulation.devices:
        device.give(*(sound(number) for number in range(first, first + frames)))


async def nobody_speaks(_: Simulation) -> None:
    """Devices are logged in, and silent."""
    await trio.sleep(2 * SETTLING_S)


async def a_steady_flow(simulation: Simulation) -> None:
    """One frame of each device every tenth of a second."""
    await trio.sleep(SETTLING_S)
    for number in range(4):
        give_all(simulation, number)
        await trio.sleep(0.1)


async def a_storm(simulation: Simulation) -> None:
    """Every device has a backlog from the beginning, frame behind frame."""
    give_all(simulation, 0, frames=6)
    await trio.sleep(SETTLING_S)


async def half_frames(simulation: Simulation) -> None:
    """Frames come in pieces, and the end of some is never sent."""
    for number, device in enumerate(simulation.devices):
        device.give(in_pieces(0), in_pieces(1, stalls=number > 0), sound(2))
    await trio.sleep(LONG_OUTAGE_S)


async def overflow(simulation: Simulation) -> None:
    """More frames than the publish queue takes, while Redis is slow: the rest is sent again."""
    await trio.sleep(SETTLING_S)
    simulation.redis_slows_down()
    give_all(simulation, 0, frames=2)
    await trio.sleep(OUTAGE_S)
    simulation.redis_recovers()
    await trio.sleep(SETTLING_S)


async def redis_away(simulation: Simulation) -> None:
    """Redis breaks its connections with frames on them, and accepts none for a while."""
    await trio.sleep(SETTLING_S)
    give_all(simulation, 0, frames=2)
    await trio.sleep(0.003)
    simulation.redis_goes_away()
    await trio.sleep(OUTAGE_S)
    simulation.redis_recovers()
    await trio.sleep(OUTAGE_S)


async def redis_away_for_long(simulation: Simulation) -> None:
    """Redis is away for longer than a frame is kept for it."""
    await trio.sleep(SETTLING_S)
    simulation.redis_goes_away()
    give_all(simulation, 0, frames=2)
    await trio.sleep(LONG_OUTAGE_S)
    simulation.redis_recovers()
    await trio.sleep(SETTLING_S)


async def redis_frozen(simulation: Simulation) -> None:
    """Redis keeps its connections, answers nothing, and later executes what it has received."""
    await trio.sleep(SETTLING_S)
    give_all(simulation, 0, frames=2)
    await trio.sleep(0.003)
    simulation.redis_freezes()
    await trio.sleep(LONG_OUTAGE_S)
    simulation.redis_recovers()
    await trio.sleep(SETTLING_S)


async def redis_refuses(simulation: Simulation, refusal: bytes) -> None:
    """Redis refuses every entry, from the middle of a frame on."""
    await trio.sleep(SETTLING_S)
    give_all(simulation, 0, frames=2)
    await trio.sleep(0.003)
    simulation.redis_refuses(refusal)
    await trio.sleep(OUTAGE_S)
    simulation.redis_recovers()
    await trio.sleep(OUTAGE_S)


async def redis_full(simulation: Simulation) -> None:
    """Memory is full."""
    await redis_refuses(simulation, OOM)


async def redis_forbids(simulation: Simulation) -> None:
    """A right was taken away."""
    await redis_refuses(simulation, NOPERM)


async def redis_fails_over(simulation: Simulation) -> None:
    """Frames are under way when the old master becomes a replica, and once more when nothing is."""
    await trio.sleep(SETTLING_S)
    give_all(simulation, 0, frames=2)
    await trio.sleep(0.003)
    simulation.redis_fails_over()
    await trio.sleep(SETTLING_S)
    simulation.redis_fails_over()
    await trio.sleep(SETTLING_S)
    give_all(simulation, 2)
    await trio.sleep(LONG_OUTAGE_S)


async def a_drain_with_frames_in_hand(simulation: Simulation) -> None:
    """A stop request while Redis is slow, with a frame of each device on its way."""
    await trio.sleep(SETTLING_S)
    simulation.redis_slows_down()
    give_all(simulation, 0, frames=2)
    await trio.sleep(BUSY_S)
    simulation.subject.stop()
    await trio.sleep(OUTAGE_S)


async def a_drain_under_overflow(simulation: Simulation) -> None:
    """A stop request while the queue is full and Redis frozen."""
    await trio.sleep(SETTLING_S)
    simulation.redis_freezes()
    give_all(simulation, 0, frames=2)
    await trio.sleep(BUSY_S)
    simulation.subject.stop()
    await trio.sleep(OUTAGE_S)


async def a_second_signal(simulation: Simulation) -> None:
    """A stop request while Redis is frozen: a second one comes at every checkpoint of the drain."""
    await a_drain_under_overflow(simulation)


async def an_announced_stop(simulation: Simulation) -> None:
    """The stop has a delay, in which devices still come and send."""
    await trio.sleep(SETTLING_S)
    give_all(simulation, 0)
    simulation.subject.stop()
    await trio.sleep(BUSY_S)
    simulation.add_devices(1)
    give_all(simulation, 1, frames=2)
    await trio.sleep(OUTAGE_S)


async def newer_logins(simulation: Simulation) -> None:
    """Devices come back from another address, with a frame in flight and without, while Redis is slow."""
    await trio.sleep(SETTLING_S)
    simulation.redis_slows_down()
    give_all(simulation, 0, frames=2)
    await trio.sleep(BUSY_S)
    for _ in range(3):
        for device in simulation.devices:
            device.move()
        await trio.sleep(0.13)
    simulation.redis_recovers()
    await trio.sleep(SETTLING_S)
    for device in simulation.devices:
        device.move()
    await trio.sleep(SETTLING_S)


async def undecodable_frames(simulation: Simulation) -> None:
    """One device repeats a frame that cannot be decoded until it is kept raw, and then goes on."""
    for device in simulation.devices:
        device.give(sound(0))
    simulation.devices[0].give(undecodable(), sound(1))
    await trio.sleep(OUTAGE_S)


@dataclass(frozen=True)
class Scenario:
    """What happens during a life; then it is asked to stop."""

    script: Script
    devices: int = 2
    """That call from the beginning on."""
    env: Mapping[str, str] = field(default_factory=dict)


LITTLE_ROOM: Mapping[str, str] = {"PUBLISH_QUEUE_CAPACITY": "4"}

SCENARIOS: Mapping[str, Scenario] = {
    "devices-silent": Scenario(nobody_speaks),
    "devices-steady": Scenario(a_steady_flow),
    "devices-backlog-storm": Scenario(a_storm, devices=4),
    "devices-half-frames": Scenario(half_frames),
    "devices-overflow": Scenario(overflow, devices=3, env=LITTLE_ROOM),
    "devices-newer-logins": Scenario(newer_logins),
    "devices-undecodable": Scenario(undecodable_frames),
    "publishing-redis-away": Scenario(redis_away, devices=3),
    "publishing-redis-away-for-long": Scenario(redis_away_for_long),
    "publishing-redis-frozen": Scenario(redis_frozen, devices=3),
    "publishing-redis-full": Scenario(redis_full),
    "publishing-redis-forbids": Scenario(redis_forbids),
    "publishing-redis-failover": Scenario(redis_fails_over),
    "drain-frames-in-hand": Scenario(a_drain_with_frames_in_hand),
    "drain-overflow": Scenario(a_drain_under_overflow, devices=3, env=LITTLE_ROOM),
    "drain-patient": Scenario(a_drain_under_overflow, devices=3, env={"DRAIN_BUDGET_MS": "8000"}),
    "drain-second-signal": Scenario(a_second_signal),
    "drain-announced": Scenario(an_announced_stop, env={"DRAIN_DELAY_MS": "1000"}),
}
