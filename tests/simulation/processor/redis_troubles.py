"""Troubles of a simulated Redis other than outages: failovers, limits, and proxies on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from tests.support.fakes.failover import Replica, promote, replicate
from tests.support.fakes.redis import parse_id

if TYPE_CHECKING:
    from tests.simulation.processor.simulation import Simulation


def fail_over(simulation: Simulation) -> None:
    """A planned failover: the new master has everything, and old connections lead to a replica."""
    simulation.redis_stumbles()
    simulation.redis.change_masters()


def look_at(simulation: Simulation) -> Replica:
    """Remember the state of a replica as it is now."""
    return replicate(simulation.redis)


def fail_over_to(simulation: Simulation, replica: Replica) -> None:
    """Promote a replica that is behind: everything published since is lost, through no fault of the service."""
    simulation.redis_stumbles()
    for entry_id in simulation.published:
        if parse_id(entry_id) not in replica.entries:
            simulation.trimmed.add(entry_id)
    promote(simulation.redis, replica)


def fill(simulation: Simulation) -> None:
    """Memory is full until Redis recovers: what would grow is refused."""
    simulation.redis.is_full = True


def close_idle(simulation: Simulation, idle_s_max: float) -> None:
    """A proxy closes what is idle for longer."""
    simulation.redis.idle_s_max = idle_s_max


def limit_replies(simulation: Simulation, entries_max: int) -> None:
    """Larger replies are lost, and their connections with them."""
    simulation.redis.reply_entries_max = entries_max


def slow_down(simulation: Simulation, ack_records_max: int) -> None:
    """The link has room for that number of acknowledgements in one turn."""
    simulation.redis.ack_records_max = ack_records_max


async def failover(simulation: Simulation) -> None:
    """The roles change while acknowledgements are under way; more is published on the new master."""
    await trio.sleep(0.5)
    simulation.postgres_delay_s = 0.2
    for second in range(10, 16):
        simulation.publish(second)
    await trio.sleep(0.3)
    fail_over(simulation)
    for second in range(20, 26):
        simulation.publish(second)
    await trio.sleep(1.5)
    # And back again, with nothing under way.
    fail_over(simulation)
    await trio.sleep(1)


async def promotion_of_a_replica_behind(simulation: Simulation) -> None:
    """Fail over to a replica that is behind: later deliveries, acknowledgements and dead letters are undone."""
    await trio.sleep(0.1)
    replica = look_at(simulation)
    for second in range(10, 13):
        simulation.publish(second)
    await trio.sleep(1.5)
    fail_over_to(simulation, replica)
    for second in range(20, 23):
        simulation.publish(second)
    await trio.sleep(simulation.claim_threshold_s + 1)


async def a_full_memory(simulation: Simulation) -> None:
    """For a while Redis refuses everything that needs memory, with poison among the entries."""
    await trio.sleep(0.5)
    fill(simulation)
    # Connections are replaced under it.
    simulation.redis_goes_away()
    simulation.redis.come_back()
    for second in range(10, 16):
        simulation.publish(second)
    await trio.sleep(simulation.claim_threshold_s + 1)
    simulation.redis_recovers()
    await trio.sleep(2 * simulation.claim_threshold_s)


async def idle_connections_closed(simulation: Simulation) -> None:
    """A proxy closes connections between one claim and the next, and while the writer is busy."""
    close_idle(simulation, 0.8)
    await trio.sleep(1.5)
    simulation.postgres_slows_down()
    for second in range(10, 40):
        simulation.publish(second)
    await trio.sleep(3)
    simulation.postgres_recovers()
    await trio.sleep(1)


async def replies_too_large(simulation: Simulation) -> None:
    """Replies of more than two entries are lost, those of new entries and of claimed ones."""
    limit_replies(simulation, 2)
    await trio.sleep(2)


async def a_slow_link(simulation: Simulation) -> None:
    """Two acknowledgements at a time, and the connections are lost in the middle of a batch."""
    slow_down(simulation, 2)
    await trio.sleep(0.5)
    for steps in (4, 12, 20):
        for second in range(6):
            simulation.publish(100 * steps + second)
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        simulation.redis_goes_away()
        simulation.redis_recovers()
        await trio.sleep(0.5)
