"""What happens to a simulated Redis beside outages: failovers, limits, and proxies on the way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from tests.support.fakes.failover import Replica, promote, replicate
from tests.support.fakes.redis import parse_id

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation


def fail_over(world: Simulation) -> None:
    """A planned one: the new master has everything, and old connections lead to a replica."""
    world.redis_stumbles()
    world.redis.change_masters()


def look_at(world: Simulation) -> Replica:
    """A replica, as far as it is now."""
    return replicate(world.redis)


def fail_over_to(world: Simulation, replica: Replica) -> None:
    """Promote a replica that is behind: what was published since is lost by that, and by nobody else."""
    world.redis_stumbles()
    for entry_id in world.published:
        if parse_id(entry_id) not in replica.entries:
            world.trimmed.add(entry_id)
    promote(world.redis, replica)


def fill(world: Simulation) -> None:
    """Memory is full until Redis recovers: what would grow is refused."""
    world.redis.is_full = True


def close_idle(world: Simulation, idle_s_max: float) -> None:
    """A proxy closes what is idle for longer."""
    world.redis.idle_s_max = idle_s_max


def limit_replies(world: Simulation, entries_max: int) -> None:
    """Larger replies are lost, and their connections with them."""
    world.redis.reply_entries_max = entries_max


def slow_down(world: Simulation, ack_records_max: int) -> None:
    """The link has room for that number of acknowledgements in one turn."""
    world.redis.ack_records_max = ack_records_max


async def failover(world: Simulation) -> None:
    """The roles change while acknowledgements are under way; more is published on the new master."""
    await trio.sleep(0.5)
    world.postgres_delay_s = 0.2
    for second in range(10, 16):
        world.publish(second)
    await trio.sleep(0.3)
    fail_over(world)
    for second in range(20, 26):
        world.publish(second)
    await trio.sleep(1.5)
    # And back again, with nothing under way.
    fail_over(world)
    await trio.sleep(1)


async def promotion_of_a_replica_behind(world: Simulation) -> None:
    """What a replica has not heard of has not happened: deliveries, acknowledgements, dead letters."""
    await trio.sleep(0.1)
    replica = look_at(world)
    for second in range(10, 13):
        world.publish(second)
    await trio.sleep(1.5)
    fail_over_to(world, replica)
    for second in range(20, 23):
        world.publish(second)
    await trio.sleep(world.claim_threshold_s + 1)


async def a_full_memory(world: Simulation) -> None:
    """Nothing that grows is taken for a while, with poison among what is read."""
    await trio.sleep(0.5)
    fill(world)
    # Connections are replaced under it.
    world.redis_goes_away()
    world.redis.come_back()
    for second in range(10, 16):
        world.publish(second)
    await trio.sleep(world.claim_threshold_s + 1)
    world.redis_recovers()
    await trio.sleep(2 * world.claim_threshold_s)


async def idle_connections_closed(world: Simulation) -> None:
    """A proxy closes connections between one claim and the next, and while the writer is busy."""
    close_idle(world, 0.8)
    await trio.sleep(1.5)
    world.postgres_slows_down()
    for second in range(10, 40):
        world.publish(second)
    await trio.sleep(3)
    world.postgres_recovers()
    await trio.sleep(1)


async def replies_too_large(world: Simulation) -> None:
    """Replies of more than two entries are lost, those of new entries and of claimed ones."""
    limit_replies(world, 2)
    await trio.sleep(2)


async def a_slow_link(world: Simulation) -> None:
    """Two acknowledgements at a time, and the connections are lost amid a batch."""
    slow_down(world, 2)
    await trio.sleep(0.5)
    for steps in (4, 12, 20):
        for second in range(6):
            world.publish(100 * steps + second)
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        world.redis_goes_away()
        world.redis_recovers()
        await trio.sleep(0.5)
