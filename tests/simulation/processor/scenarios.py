"""The situations in which every checkpoint is cut: each a few virtual seconds of one life."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import trio

from tests.simulation.processor import redis_troubles
from tests.simulation.processor.simulation import (
    DISCARDED_DEVICE,
    KILLER_DEVICE,
    REFUSED_DEVICE,
    Simulation,
)

Preparation: TypeAlias = Callable[[Simulation], None]
Script: TypeAlias = Callable[[Simulation], Awaitable[None]]

# Longer than the drain's budget, so that a stop request reaches its deadline during the outage.
OUTAGE_S = 2.5
# More time than a life needs to settle a handful of entries.
SETTLING_S = 0.5
# Steps of the publisher; a life's tasks take as many steps meanwhile.
STEPS_BETWEEN = 2
# With pauses of 400 ms at most, this is a handful of tries.
REFUSALS_S = 1.0
# Seconds after noon.
TOMORROW = 50_000


def an_empty_stream(simulation: Simulation) -> None:
    """Nothing is published, and the group does not exist."""
    del simulation


def some_entries(simulation: Simulation) -> None:
    """A few positions of several devices."""
    for second in range(6):
        simulation.publish(second, device=second % 3)


def a_backlog(simulation: Simulation) -> None:
    """More than several reads and batches hold."""
    for second in range(24):
        simulation.publish(second, device=second % 3)


def duplicates(simulation: Simulation) -> None:
    """Every key twice, in one read and in different ones."""
    for second in (0, 1, 1, 2, 0, 3, 4, 5, 4, 3, 2, 5):
        simulation.publish(second)


def poison(simulation: Simulation) -> None:
    """Entries that the codec or the server refuses, among sound neighbours."""
    for second in range(3):
        simulation.publish(second)
    simulation.publish_malformed()
    simulation.publish(0, device=REFUSED_DEVICE)
    simulation.publish(3)


def ids_that_are_no_times(simulation: Simulation) -> None:
    """A producer that counts: Redis is asked for its time behind each delivery."""
    for number in range(1, 9):
        simulation.publish(number, device=number % 3, entry_id=(number, 0))


def entries_of_the_dead(simulation: Simulation) -> None:
    """Entries that a consumer took long ago, two of which were trimmed meanwhile."""
    entry_ids = [simulation.publish(second) for second in range(7)]
    simulation.deliver_to_the_dead()
    simulation.trim(entry_ids[1])
    simulation.trim(entry_ids[4])
    simulation.publish(7)


def cold_devices(simulation: Simulation) -> None:
    """Unknown devices, on a PostgreSQL that is slow to look them up."""
    simulation.postgres_slows_down()
    for second in range(8):
        simulation.publish(second, device=second)


def crash_suspects(simulation: Simulation) -> None:
    """Entries that were delivered too often without an answer, one of them malformed."""
    simulation.publish(0)
    simulation.publish_malformed()
    simulation.publish(1)
    simulation.deliver_to_the_dead(deliveries=6)
    simulation.publish(2)


def a_killer(simulation: Simulation) -> None:
    """A row that ends every session which writes it, among sound neighbours."""
    for second in range(3):
        simulation.publish(second, device=second)
    simulation.publish(0, device=KILLER_DEVICE)
    simulation.publish(3)


def rows_to_discard(simulation: Simulation) -> None:
    """Rows that a trigger discards, some of them repeated, among others."""
    for second in (0, 1, 1, 2):
        simulation.publish(second, device=DISCARDED_DEVICE)
        simulation.publish(second)


def suspects_without_a_session(simulation: Simulation) -> None:
    """Suspected poison entries, while the role has no session left for their trials."""
    crash_suspects(simulation)
    simulation.sessions_are_few()


def a_large_backlog_for_a_small_server(simulation: Simulation) -> None:
    """A batch of more rows than the server can take."""
    simulation.postgres_bears_little()
    for second in range(8):
        simulation.publish(second, device=second % 3)


async def nothing_more(simulation: Simulation) -> None:
    """Wait until what was prepared is settled."""
    del simulation
    await trio.sleep(SETTLING_S)


async def a_steady_flow(simulation: Simulation) -> None:
    """One position every tenth of a second."""
    for second in range(5):
        simulation.publish(second)
        await trio.sleep(0.1)


async def a_busy_flow(simulation: Simulation) -> None:
    """Positions come while other work is under way, not while everything waits."""
    await trio.sleep(SETTLING_S)
    for second in range(24):
        simulation.publish(second)
        for _ in range(STEPS_BETWEEN):
            await trio.lowlevel.checkpoint()


async def new_devices_meanwhile(simulation: Simulation) -> None:
    """Others come while the first ones are looked up."""
    for second in range(4):
        simulation.publish(20 + second, device=second)
        await trio.sleep(0.3)
    await trio.sleep(2)


async def long_enough_for_a_dead_letter(simulation: Simulation) -> None:
    """Wait until poison entries have used up their attempts."""
    await trio.sleep(simulation.claim_threshold_s + 2.5)


async def a_group_set_back(simulation: Simulation) -> None:
    """Entries that are written, refused or in flight are delivered again, twice."""
    await trio.sleep(SETTLING_S)
    simulation.set_group_back()
    await trio.sleep(SETTLING_S)
    simulation.postgres_slows_down()
    for second in range(10, 16):
        simulation.publish(second)
    await trio.sleep(0.2)
    simulation.set_group_back()
    await trio.sleep(2)


async def long_enough_to_halve(simulation: Simulation) -> None:
    """Wait until the size that the server can take is found, then publish more."""
    await trio.sleep(OUTAGE_S)
    for second in range(8, 14):
        simulation.publish(second, device=second % 3)
    await trio.sleep(OUTAGE_S)


async def postgres_slow(simulation: Simulation) -> None:
    """Each call of PostgreSQL takes a while, and the stream grows."""
    simulation.postgres_slows_down()
    await a_steady_flow(simulation)
    await trio.sleep(2)


async def postgres_frozen(simulation: Simulation) -> None:
    """PostgreSQL keeps its connections and answers nothing."""
    await trio.sleep(SETTLING_S)
    simulation.postgres_freezes()
    simulation.publish(10)
    await trio.sleep(OUTAGE_S)
    simulation.postgres_recovers()
    await trio.sleep(SETTLING_S)


async def postgres_frozen_for_long(simulation: Simulation) -> None:
    """PostgreSQL answers nothing for longer than a lease lasts without renewal."""
    await trio.sleep(SETTLING_S)
    simulation.postgres_freezes()
    for second in range(10, 13):
        simulation.publish(second)
    await trio.sleep(1.5 * simulation.claim_threshold_s)
    simulation.postgres_recovers()
    await trio.sleep(SETTLING_S)


async def postgres_away(simulation: Simulation) -> None:
    """PostgreSQL refuses connections."""
    await trio.sleep(SETTLING_S)
    simulation.postgres_goes_away()
    simulation.publish(10)
    await trio.sleep(OUTAGE_S)
    simulation.postgres_recovers()
    await trio.sleep(SETTLING_S)


async def redis_away(simulation: Simulation) -> None:
    """Redis breaks its connections and accepts none, with acknowledgements under way."""
    simulation.postgres_delay_s = 0.2
    await trio.sleep(0.3)
    simulation.redis_goes_away()
    simulation.publish(10)
    await trio.sleep(OUTAGE_S)
    simulation.redis_recovers()
    await trio.sleep(SETTLING_S)


async def redis_frozen(simulation: Simulation) -> None:
    """Redis keeps its connections and answers nothing."""
    simulation.postgres_delay_s = 0.2
    await trio.sleep(0.3)
    simulation.redis_freezes()
    simulation.publish(10)
    await trio.sleep(OUTAGE_S)
    simulation.redis_recovers()
    await trio.sleep(SETTLING_S)


async def table_refuses_all(simulation: Simulation) -> None:
    """Every row is refused, and each is tried more often than a record may fail."""
    await trio.sleep(SETTLING_S)
    simulation.table_refuses_all()
    for second in range(10, 13):
        simulation.publish(second, device=second % 3)
    await trio.sleep(REFUSALS_S)
    simulation.postgres_recovers()
    await trio.sleep(SETTLING_S)


async def commits_are_refused(simulation: Simulation) -> None:
    """Every row is accepted, and every commit refused."""
    await trio.sleep(SETTLING_S)
    simulation.commits_are_refused()
    for second in range(10, 12):
        simulation.publish(second)
    await trio.sleep(REFUSALS_S)
    simulation.postgres_recovers()
    await trio.sleep(SETTLING_S)


async def partition_is_missing(simulation: Simulation) -> None:
    """Rows of tomorrow are refused among others, and again when they are claimed."""
    await trio.sleep(SETTLING_S)
    simulation.partition_is_missing()
    for second in (10, 11, TOMORROW, TOMORROW + 1):
        simulation.publish(second)
    await trio.sleep(simulation.claim_threshold_s + 1.2)
    simulation.postgres_recovers()


async def standby_away(simulation: Simulation) -> None:
    """Commits wait for a standby, and are confirmed in the end."""
    await trio.sleep(SETTLING_S)
    simulation.standby_leaves()
    for second in (3, 10, 11):
        simulation.publish(second)
    await trio.sleep(OUTAGE_S)
    simulation.postgres_recovers()
    await trio.sleep(SETTLING_S)


async def standby_promoted(simulation: Simulation) -> None:
    """What waits for the standby becomes visible by a restart, and is gone with the promotion."""
    await trio.sleep(SETTLING_S)
    simulation.standby_leaves()
    for second in (10, 11, 12):
        simulation.publish(second, device=second % 3)
    await trio.sleep(SETTLING_S)
    simulation.postgres_restarts()
    # Repeats of the rows that are visible now.
    for second in (11, 12):
        simulation.publish(second, device=second % 3)
    await trio.sleep(OUTAGE_S)
    simulation.standby_is_promoted()
    await trio.sleep(SETTLING_S)


async def a_drain_in_trouble(simulation: Simulation) -> None:
    """A stop request while PostgreSQL is frozen: a second one comes at every checkpoint of the drain."""
    simulation.postgres_freezes()
    await trio.sleep(SETTLING_S)
    simulation.subject.stop()
    await trio.sleep(OUTAGE_S)
    simulation.postgres_recovers()


@dataclass(frozen=True)
class Scenario:
    """The state before a life begins, and what happens during it; then it is asked to stop."""

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
    "poison": Scenario(poison, long_enough_for_a_dead_letter),
    "suspects": Scenario(crash_suspects, long_enough_for_a_dead_letter),
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
    "table-refuses-all": Scenario(some_entries, table_refuses_all),
    "commits-refused": Scenario(some_entries, commits_are_refused),
    "partition-missing": Scenario(some_entries, partition_is_missing),
    "killer-row": Scenario(a_killer, long_enough_for_a_dead_letter),
    "size-limit": Scenario(a_large_backlog_for_a_small_server, long_enough_to_halve),
    "discarded": Scenario(rows_to_discard, nothing_more),
    "standby-away": Scenario(some_entries, standby_away),
    "promotion": Scenario(some_entries, standby_promoted),
    "few-sessions": Scenario(suspects_without_a_session, long_enough_for_a_dead_letter),
    "second-signal": Scenario(some_entries, a_drain_in_trouble),
}
