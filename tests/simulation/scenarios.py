"""The situations in which every checkpoint is cut: each a few virtual seconds of one life."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import trio

from tests.simulation import redis_troubles
from tests.simulation.world import REFUSED_DEVICE, World

Preparation: TypeAlias = Callable[[World], None]
Script: TypeAlias = Callable[[World], Awaitable[None]]

# Longer than the drain's budget, so that a stop request meets its deadline in the outage.
OUTAGE_S = 2.5
# What a life needs to settle a handful of entries, with time to spare.
SETTLING_S = 0.5
# Of the publisher, in which a life takes as many steps with each of its tasks.
STEPS_BETWEEN = 2


def an_empty_stream(world: World) -> None:
    """Nothing is published, and the group does not exist."""
    del world


def some_entries(world: World) -> None:
    """A few positions of several devices."""
    for second in range(6):
        world.publish(second, device=second % 3)


def a_backlog(world: World) -> None:
    """More than several reads and batches hold."""
    for second in range(24):
        world.publish(second, device=second % 3)


def duplicates(world: World) -> None:
    """Every key twice, in one read and in different ones."""
    for second in (0, 1, 1, 2, 0, 3, 4, 5, 4, 3, 2, 5):
        world.publish(second)


def poison(world: World) -> None:
    """What the codec refuses and what the server refuses, among good neighbours."""
    for second in range(3):
        world.publish(second)
    world.publish_malformed()
    world.publish(0, device=REFUSED_DEVICE)
    world.publish(3)


def ids_that_are_no_times(world: World) -> None:
    """A producer that counts: Redis is asked for its time behind each delivery."""
    for number in range(1, 9):
        world.publish(number, device=number % 3, entry_id=(number, 0))


def entries_of_the_dead(world: World) -> None:
    """Entries that a consumer took long ago, two of which were trimmed meanwhile."""
    entry_ids = [world.publish(second) for second in range(7)]
    world.deliver_to_the_dead()
    world.trim(entry_ids[1])
    world.trim(entry_ids[4])
    world.publish(7)


def cold_devices(world: World) -> None:
    """Devices that nobody has met, on a PostgreSQL that takes its time to say what it knows of them."""
    world.postgres_slows_down()
    for second in range(8):
        world.publish(second, device=second)


def crash_suspects(world: World) -> None:
    """Entries that were delivered too often without an answer, one of them malformed."""
    world.publish(0)
    world.publish_malformed()
    world.publish(1)
    world.deliver_to_the_dead(deliveries=6)
    world.publish(2)


async def nothing_more(world: World) -> None:
    """Wait until what was prepared is settled."""
    del world
    await trio.sleep(SETTLING_S)


async def a_steady_flow(world: World) -> None:
    """One position every tenth of a second."""
    for second in range(5):
        world.publish(second)
        await trio.sleep(0.1)


async def a_busy_flow(world: World) -> None:
    """Positions come while everything else is under way, rather than while all wait."""
    await trio.sleep(SETTLING_S)
    for second in range(24):
        world.publish(second)
        for _ in range(STEPS_BETWEEN):
            await trio.lowlevel.checkpoint()


async def new_devices_meanwhile(world: World) -> None:
    """Others come while the first ones are looked up."""
    for second in range(4):
        world.publish(20 + second, device=second)
        await trio.sleep(0.3)
    await trio.sleep(2)


async def long_enough_to_bury(world: World) -> None:
    """Wait until poison has failed as often as it may."""
    await trio.sleep(world.claim_threshold_s + 2.5)


async def a_group_set_back(world: World) -> None:
    """What is written, what is refused and what is in hand is delivered once more, and once more."""
    await trio.sleep(SETTLING_S)
    world.set_group_back()
    await trio.sleep(SETTLING_S)
    world.postgres_slows_down()
    for second in range(10, 16):
        world.publish(second)
    await trio.sleep(0.2)
    world.set_group_back()
    await trio.sleep(2)


async def postgres_slow(world: World) -> None:
    """Each call of PostgreSQL takes a while, and the stream grows."""
    world.postgres_slows_down()
    await a_steady_flow(world)
    await trio.sleep(2)


async def postgres_frozen(world: World) -> None:
    """PostgreSQL keeps its connections and answers nothing."""
    await trio.sleep(SETTLING_S)
    world.postgres_freezes()
    world.publish(10)
    await trio.sleep(OUTAGE_S)
    world.postgres_recovers()
    await trio.sleep(SETTLING_S)


async def postgres_frozen_for_long(world: World) -> None:
    """PostgreSQL answers nothing for longer than a lease lasts that nobody renews."""
    await trio.sleep(SETTLING_S)
    world.postgres_freezes()
    for second in range(10, 13):
        world.publish(second)
    await trio.sleep(1.5 * world.claim_threshold_s)
    world.postgres_recovers()
    await trio.sleep(SETTLING_S)


async def postgres_away(world: World) -> None:
    """PostgreSQL refuses connections."""
    await trio.sleep(SETTLING_S)
    world.postgres_goes_away()
    world.publish(10)
    await trio.sleep(OUTAGE_S)
    world.postgres_recovers()
    await trio.sleep(SETTLING_S)


async def redis_away(world: World) -> None:
    """Redis breaks its connections and takes none, with acknowledgements under way."""
    world.postgres_delay_s = 0.2
    await trio.sleep(0.3)
    world.redis_goes_away()
    world.publish(10)
    await trio.sleep(OUTAGE_S)
    world.redis_recovers()
    await trio.sleep(SETTLING_S)


async def redis_frozen(world: World) -> None:
    """Redis keeps its connections and answers nothing."""
    world.postgres_delay_s = 0.2
    await trio.sleep(0.3)
    world.redis_freezes()
    world.publish(10)
    await trio.sleep(OUTAGE_S)
    world.redis_recovers()
    await trio.sleep(SETTLING_S)


async def a_drain_in_trouble(world: World) -> None:
    """A stop request while PostgreSQL is frozen: a second one comes at every checkpoint of the drain."""
    world.postgres_freezes()
    await trio.sleep(SETTLING_S)
    world.subject.stop()
    await trio.sleep(OUTAGE_S)
    world.postgres_recovers()


@dataclass(frozen=True)
class Scenario:
    """What is there before the life begins, and what happens beside it; then it is told to stop."""

    prepare: Preparation
    script: Script
    peers: tuple[str, ...] = ()
    """Instances that live beside it, and after it."""
    env: Mapping[str, str] = field(default_factory=dict)


SCENARIOS: Mapping[str, Scenario] = {
    "idle": Scenario(an_empty_stream, nothing_more),
    "steady": Scenario(an_empty_stream, a_steady_flow),
    "busy": Scenario(an_empty_stream, a_busy_flow),
    "backlog": Scenario(a_backlog, nothing_more),
    "two-writers": Scenario(a_backlog, nothing_more, env={"WRITERS": "2"}),
    "duplicates": Scenario(duplicates, nothing_more),
    "ids-without-a-time": Scenario(ids_that_are_no_times, nothing_more),
    "poison": Scenario(poison, long_enough_to_bury),
    "suspects": Scenario(crash_suspects, long_enough_to_bury),
    "rehydration": Scenario(cold_devices, new_devices_meanwhile),
    "set-back": Scenario(poison, a_group_set_back),
    "claim": Scenario(entries_of_the_dead, nothing_more),
    "claim-beside-a-peer": Scenario(entries_of_the_dead, a_steady_flow, peers=("processor-2",)),
    "postgres-slow": Scenario(some_entries, postgres_slow),
    "postgres-frozen": Scenario(some_entries, postgres_frozen),
    "postgres-frozen-beside-a-peer": Scenario(
        an_empty_stream, postgres_frozen_for_long, peers=("processor-2",)
    ),
    "postgres-away": Scenario(some_entries, postgres_away),
    "redis-away": Scenario(some_entries, redis_away),
    "redis-frozen": Scenario(some_entries, redis_frozen),
    "redis-failover": Scenario(some_entries, redis_troubles.failover),
    "redis-promoted-behind": Scenario(poison, redis_troubles.promotion_of_a_replica_behind),
    "redis-full": Scenario(poison, redis_troubles.a_full_memory),
    "redis-idle-closed": Scenario(entries_of_the_dead, redis_troubles.idle_connections_closed),
    "redis-replies-lost": Scenario(entries_of_the_dead, redis_troubles.replies_too_large),
    "redis-reads-lost": Scenario(a_backlog, redis_troubles.replies_too_large),
    "redis-slow-link": Scenario(a_backlog, redis_troubles.a_slow_link),
    "second-signal": Scenario(some_entries, a_drain_in_trouble),
}
