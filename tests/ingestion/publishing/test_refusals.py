"""A Redis that answers, and refuses: what is counted and said, when `/readyz` knows, and how it ends."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
from redis import Redis, RedisError

from dev.servers import launch_redis
from dev.servers.redis_users import INGESTION
from ingestion.errors import RedisUnavailableError
from ingestion.publishing.probe import probe_commands, refusal_in
from telemetry._codec import ReplyError
from telemetry.chassis.errors import RedisRefused
from tests.support.publishing import Fleet, at_work, until
from tests.support.redis_connections import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from dev.servers import RedisBinary, RedisServer

STREAM = "telemetry:refused"
ID_PART_MAX = 2**64 - 1


@pytest.fixture(scope="module")
def own_server(redis_binary: RedisBinary) -> Iterator[RedisServer]:
    """A server whose settings these tests change."""
    with launch_redis(redis_binary) as server:
        yield server


@pytest.fixture
def client(own_server: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(own_server.admin_url) as client:
        client.xgroup_create(STREAM, "processor", "0", mkstream=True)
        yield client
        client.flushall()


@contextmanager
def full_memory(_: RedisServer, client: Redis) -> Iterator[None]:
    client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        client.config_set("maxmemory", 0)


@contextmanager
def too_few_replicas(_: RedisServer, client: Redis) -> Iterator[None]:
    client.config_set("min-replicas-to-write", 1)
    try:
        yield
    finally:
        client.config_set("min-replicas-to-write", 0)


@contextmanager
def a_replica(server: RedisServer, client: Redis) -> Iterator[None]:
    client.replicaof(server.host, "1")
    try:
        yield
    finally:
        client.replicaof("NO", "ONE")


@contextmanager
def no_right_to_add(server: RedisServer, client: Redis) -> Iterator[None]:
    acl: Any = client.execute_command
    with server.denials_intended():
        acl("ACL", "SETUSER", INGESTION, "-xadd")
        try:
            yield
        finally:
            acl("ACL", "SETUSER", INGESTION, "+xadd")


@contextmanager
def no_right_to_the_key(server: RedisServer, client: Redis) -> Iterator[None]:
    acl: Any = client.execute_command
    with server.denials_intended():
        acl("ACL", "SETUSER", INGESTION, "resetkeys", "~elsewhere:*")
        try:
            yield
        finally:
            acl("ACL", "SETUSER", INGESTION, "resetkeys", "~telemetry:*")


@contextmanager
def another_type(_: RedisServer, client: Redis) -> Iterator[None]:
    # At once: an entry that came in between would be overwritten.
    with client.pipeline(transaction=True) as transaction:
        transaction.rename(STREAM, f"{STREAM}:aside")
        transaction.set(STREAM, "no stream")
        transaction.execute()
    try:
        yield
    finally:
        client.rename(f"{STREAM}:aside", STREAM)


@contextmanager
def no_disk(server: RedisServer, client: Redis) -> Iterator[None]:
    """Saving fails, as a directory is in the way of the file."""
    in_the_way = server.data_dir / "dump.rdb"
    in_the_way.mkdir()
    (in_the_way / "x").touch()
    client.config_set("save", "3600 1")
    client.bgsave()
    while client.info("persistence")["rdb_bgsave_in_progress"]:
        pass
    assert client.info("persistence")["rdb_last_bgsave_status"] == "err"
    try:
        yield
    finally:
        (in_the_way / "x").unlink()
        in_the_way.rmdir()
        client.config_set("save", "")


REFUSALS: dict[str, Callable[[RedisServer, Redis], AbstractContextManager[None]]] = {
    "OOM": full_memory,
    "NOREPLICAS": too_few_replicas,
    "READONLY": a_replica,
    "NOPERM": no_right_to_add,
    "NOPERM (key)": no_right_to_the_key,
    "WRONGTYPE": another_type,
    "MISCONF": no_disk,
}


@pytest.fixture(params=REFUSALS)
def refusal(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return request.param.partition(" ")[0], REFUSALS[request.param]


async def probed(server: RedisServer) -> str | None:
    """What the probe says."""
    async with opened(server.ingestion_url) as connection:
        replies = await connection.pipeline(probe_commands(STREAM))
        errors = [each.message if isinstance(each, ReplyError) else None for each in replies]
        return refusal_in(*errors)


def added(server: RedisServer) -> str | None:
    """What a real entry is answered with."""
    with Redis.from_url(server.ingestion_url, driver_info=None) as client:
        try:
            client.xadd(STREAM, {"a": "b"})
        except RedisError as error:
            return str(error)
        return None


async def test_the_probe_is_refused_for_the_same_reason_as_an_entry_and_adds_none(
    own_server: RedisServer, client: Redis, refusal: tuple[str, Any]
) -> None:
    code, refusing = refusal
    assert await probed(own_server) is None
    with refusing(own_server, client):
        message, said = await probed(own_server), added(own_server)
        assert message is not None
        assert message.startswith(code)
        assert said is not None
        # The client takes some codes away.
        assert message.endswith(said.removeprefix(f"{code} "))
    assert await probed(own_server) is None
    assert client.xlen(STREAM) == 0


async def test_the_probe_makes_no_stream(own_server: RedisServer, client: Redis) -> None:
    client.delete(STREAM)
    assert await probed(own_server) is None
    assert not client.exists(STREAM)


@pytest.mark.usefixtures("quick")
async def test_a_refused_frame_is_dropped_and_all_get_through_when_it_is_over(
    own_server: RedisServer, client: Redis, refusal: tuple[str, Any]
) -> None:
    code, refusing = refusal
    async with at_work(own_server.ingestion_url, STREAM) as work, trio.open_nursery() as nursery:
        fleet = Fleet(work, 20)
        fleet.start(nursery)
        await fleet.until_more()
        with refusing(own_server, client):
            await until(lambda: fleet.dropped[code], "a frame is refused")
            await until(lambda: fleet.dropped.total() >= 40, "and all others are dropped, too")
            assert not work.readiness.ready
            assert code in work.readiness.reason
        await fleet.until_more()
        await work.until_ready()
        nursery.cancel_scope.cancel()
    assert fleet.dropped.keys() <= {code, "connection"}
    assert work.errors == dict(fleet.dropped)
    fleet.assert_promise_kept((client, STREAM))


@pytest.mark.usefixtures("quick")
async def test_redis_is_ready_again_without_a_frame_once_it_would_take_one(
    own_server: RedisServer, client: Redis, refusal: tuple[str, Any]
) -> None:
    code, refusing = refusal
    async with at_work(own_server.ingestion_url, STREAM) as work:
        with refusing(own_server, client):
            with pytest.raises(RedisUnavailableError) as caught:
                await work.publish(1, 1)
            assert caught.value.code == code
            assert not work.readiness.ready
            await until_asked(client, times=3)
            assert not work.readiness.ready
        await work.until_ready()
    assert client.xlen(STREAM) == 0


async def until_asked(client: Redis, *, times: int) -> None:
    """Wait until so many probes were refused, or connections that begin with one were made."""

    def looks() -> int:
        statistics: Any = client.info("commandstats")
        found = [statistics.get(f"cmdstat_{name}", {}) for name in ("xlen", "hello")]
        return sum(each.get("calls", 0) + each.get("rejected_calls", 0) for each in found)

    before = looks()
    await until(lambda: looks() >= before + times, "it is asked")


async def test_a_frame_of_which_one_record_is_refused_has_no_answer(
    own_server: RedisServer, client: Redis
) -> None:
    # There are three more ids.
    client.xadd(STREAM, {"a": "b"}, id=f"{ID_PART_MAX}-{ID_PART_MAX - 3}")
    async with at_work(own_server.ingestion_url, STREAM) as work:
        with pytest.raises(RedisUnavailableError, match="exhausted the last possible ID") as caught:
            await work.publish(1, 1, records=5)
        assert caught.value.code == "ERR"
        assert work.errors == {"ERR": 1}
    assert client.xlen(STREAM) == 4


async def test_a_refusing_server_is_no_server_to_start_with(
    own_server: RedisServer, client: Redis, refusal: tuple[str, Any]
) -> None:
    code, refusing = refusal
    with refusing(own_server, client):
        with pytest.raises(RedisRefused) as caught:
            async with at_work(own_server.ingestion_url, STREAM):
                raise AssertionError("unreachable")
        assert caught.value.code == code


@pytest.mark.usefixtures("quick")
async def test_a_code_has_one_line_a_minute_and_says_how_many_were_left_out(
    own_server: RedisServer, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_work(own_server.ingestion_url, STREAM) as work:
        with full_memory(own_server, client):
            for number in range(5):
                with pytest.raises(RedisUnavailableError):
                    await work.publish(1, number)
    [line] = [
        each for each in caplog.records if "Redis refuses frames code=OOM" in each.getMessage()
    ]
    assert line.levelname == "ERROR"


@pytest.mark.usefixtures("quick")
async def test_a_line_says_when_it_is_over_and_there_are_no_more_of_these_than_of_the_others(
    own_server: RedisServer, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with at_work(own_server.ingestion_url, STREAM) as work:
        # The second time is in the same minute: both lines are left out.
        for number in range(2):
            with full_memory(own_server, client):
                with pytest.raises(RedisUnavailableError):
                    await work.publish(1, number)
                assert not work.readiness.ready
            await work.until_ready()
    said = [each.getMessage().split(":")[0] for each in caplog.records]
    lines = [each for each in said if each.startswith("Redis")]
    assert lines == ["Redis refuses frames code=OOM", "Redis confirms again stream=telemetry"]
