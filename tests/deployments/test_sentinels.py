"""Sentinels and a failover under load: both services find the new master by themselves, the commands too."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import redis
import trio
from redis import Redis

from dev.servers import launch_redis
from dev.servers.polling import poll
from dev.servers.ports import HOST
from dev.servers.redis_users import INGESTION, OPERATOR, PROCESSOR, login
from dev.servers.sentinel import SENTINEL_PASSWORD, SERVICE, Sentinel, launch_sentinels
from telemetry.chassis import clocks
from telemetry.chassis.config.redis_target import redis_target
from telemetry.chassis.errors import RedisRefused
from telemetry.chassis.redis.client import errors_translated, open_target, place_of
from telemetry.chassis.redis.sentinels import find_master
from tests.support.fakes.rows import POSTGRES_EPOCH_US
from tests.support.ingestion_frames import NOON_MS, RECORDS_MAX, imei_of
from tests.support.publishing import Fleet, at_work, published
from tests.support.real_lives import RealStreamService, living, pending, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from dev.servers import RedisBinary, RedisServer

pytestmark = pytest.mark.deployment

DEVICES = 20
# Answered by the old master and not passed on to the new one: a frame or two of each device.
IN_FLIGHT = 2 * DEVICES * 5


@dataclass(frozen=True)
class Watched:
    """Two servers, of which one is the master, and the sentinels that watch them."""

    servers: list[RedisServer]
    sentinels: list[Sentinel]

    def url(self, user: str, *, password: str = SENTINEL_PASSWORD) -> str:
        places = ",".join(f"{HOST}:{each.port}" for each in self.sentinels)
        return (
            f"redis+sentinel://{login(user)}@{places}/{SERVICE}"
            f"?sentinel_password={quote(password, safe='')}"
        )

    @property
    def master(self) -> RedisServer:
        port = self.sentinels[0].master_port
        return next(server for server in self.servers if server.port == port)


@pytest.fixture(scope="module")
def watched(redis_binary: RedisBinary) -> Iterator[Watched]:
    # Without it the old master takes entries until it is demoted, and they are lost.
    options = ["--min-replicas-to-write", "1"]
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(launch_redis(redis_binary, extra_args=options)) for _ in range(3)
        ]
        for replica in servers[1:]:
            replica.follow(servers[0])
        with launch_sentinels(redis_binary, servers[0], replicas=2) as sentinels:
            yield Watched(servers, sentinels)


@pytest.fixture(autouse=True)
def at_rest(watched: Watched) -> None:
    """The last failover is over: the sentinels name the same master, and the master has its replicas."""

    def is_over() -> bool:
        ports = {sentinel.master_port for sentinel in watched.sentinels}
        if len(ports) > 1:
            return False
        with Redis.from_url(watched.master.admin_url) as client:
            info: Any = client.info("replication")
        return bool(info["role"] == "master" and info["connected_slaves"] == 2)

    poll(is_over, "no failover is under way")


@dataclass
class Load:
    """Devices that send, tcp-ingestion that publishes, and the processor that writes what is in the stream."""

    stream: str
    fleet: Fleet
    processor: RealStreamService
    lost: int = -1
    """Answered records that the new master does not have."""

    gap_s: float = 0.0
    """The longest time without an answer to any device."""

    async def watch_gaps(self) -> None:
        """Until cancelled."""
        answered, since_s = 0, clocks.monotonic_s()
        while True:
            now_s = clocks.monotonic_s()
            self.gap_s = max(self.gap_s, now_s - since_s)
            if len(self.fleet.answered) > answered:
                answered, since_s = len(self.fleet.answered), now_s
            await trio.sleep(0.005)

    async def missing(self, master: RedisServer) -> int:
        """Answered records that the master lacks; what it has is written and acknowledged when this returns."""
        with Redis.from_url(master.admin_url) as client:
            await until(lambda: _lag(client, self.stream) == 0, "all entries are read")
            await until(lambda: pending(client, self.stream) == 0, "and acknowledged")
            found = list(published(client, self.stream))
        there = set(found)
        assert len(found) == len(there)
        # What the old master had is written, too, if it was read in time.
        assert there <= {
            (device_id, (ts_us + POSTGRES_EPOCH_US) // 1_000)
            for device_id, ts_us in self.processor.table.rows
        }
        answered = {
            (imei_of(device), NOON_MS + number * RECORDS_MAX + record)
            for device, number in self.fleet.answered
            for record in range(self.fleet.records)
        }
        return len(answered - there)


def _lag(client: Redis, stream: str) -> int | None:
    groups: Any = client.xinfo_groups(stream)
    return groups[0]["lag"] if groups else None


@contextlib.asynccontextmanager
async def under_load(watched: Watched, stream: str) -> AsyncIterator[Load]:
    """Both services at work; the devices send until the block ends."""
    processor = RealStreamService(watched.url(PROCESSOR), stream)
    async with at_work(watched.url(INGESTION), stream) as work, living(processor):
        load = Load(stream, Fleet(work, DEVICES), processor)
        async with trio.open_nursery() as nursery:
            load.fleet.start(nursery)
            nursery.start_soon(load.watch_gaps)
            await load.fleet.until_more()
            await until(lambda: processor.rows, "the processor writes")
            old, load.gap_s = watched.master, 0.0
            yield load
            await until(lambda: watched.master is not old, "the sentinels name another master")
            with Redis.from_url(watched.master.admin_url) as client:
                await until(lambda: client.role()[0] == b"master", "it is one")
                length = client.xlen(stream)
                await until(lambda: client.xlen(stream) > length, "it gets entries")
            await load.fleet.until_more()
            nursery.cancel_scope.cancel()
        load.lost = await load.missing(watched.master)


async def test_a_wrong_password_of_the_sentinels_is_said_to_be_theirs(watched: Watched) -> None:
    target = redis_target(watched.url(PROCESSOR, password="wrong"))
    with pytest.raises(RedisRefused) as caught:
        await find_master(target)
    assert f"{HOST}:{watched.sentinels[0].port}: WRONGPASS" in str(caught.value)
    client = open_target(target, name="operator")
    with pytest.raises(RedisRefused, match="WRONGPASS"), errors_translated(client):
        client.ping()


async def test_a_planned_failover_is_followed_by_both_services_and_by_commands(
    watched: Watched, stream_name: str
) -> None:
    demoted = watched.master
    client = open_target(redis_target(watched.url(OPERATOR)), name="operator")
    async with under_load(watched, stream_name) as load:
        before = place_of(client)
        assert client.xlen(stream_name)
        assert place_of(client) == f"{SERVICE} ({HOST}:{watched.master.port})" != before
        with Redis.from_url(demoted.admin_url) as old:
            # Else it takes entries, which are lost, until it is demoted: ten seconds later.
            old.config_set("min-replicas-to-write", 2)
            watched.sentinels[0].fail_over()
            await until(lambda: load.fleet.dropped, "the old master is not written to any more")
            old.client_kill_filter(_type="normal", skipme=True)
    demoted.follow(watched.master)
    with Redis.from_url(demoted.admin_url) as old:
        # It keeps what was set, and may be the master again.
        old.config_set("min-replicas-to-write", 1)
    with contextlib.suppress(redis.ConnectionError):
        client.ping()  # On the connection that has ended.
    assert client.xlen(stream_name)
    assert place_of(client) == f"{SERVICE} ({HOST}:{watched.master.port})"
    report("SENTINEL FAILOVER", load)
    assert load.lost <= IN_FLIGHT


async def test_a_master_that_is_stopped_has_passed_everything_on(
    watched: Watched, stream_name: str
) -> None:
    old = watched.master
    async with under_load(watched, stream_name) as load:
        await trio.to_thread.run_sync(old.process.stop)
    old.process.start()
    old.follow(watched.master)
    report("orderly stop", load)
    assert load.lost == 0


async def test_a_killed_master_is_left_for_the_new_one_also_when_it_comes_back(
    watched: Watched, stream_name: str
) -> None:
    old, absent = watched.master, watched.sentinels[-1]
    target = redis_target(watched.url(PROCESSOR))
    absent.process.freeze()
    async with under_load(watched, stream_name) as load:
        old.process.kill()
    # Both have heard nothing of the failover: the old master takes itself for the master, and so does the sentinel.
    new = watched.master
    old.process.start()
    absent.process.thaw()
    for _ in range(3):
        assert (await find_master(target)).port == new.port
    report("killed", load)
    assert load.lost <= IN_FLIGHT


def report(what: str, load: Load) -> None:
    """For whoever looks at the output (-rP): the figures of OPERATIONS.md."""
    dropped = sum(load.fleet.dropped.values())
    answered = len(load.fleet.answered)
    print(  # noqa: T201
        f"{what}: no answer for {load.gap_s:.1f} s, {dropped} frames unanswered, {load.lost} records of"
        f" {answered * load.fleet.records:,} answered ones lost"
    )
