"""The rights that an ACL user needs, and what a missing one does."""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING

import pytest

from dev.servers.redis_users import PROCESSOR
from processor.core.attempts import Failure, FailureStage, Fate, Recorded
from processor.edges.ports import STREAM_START
from processor.edges.redis.stream import RedisPositionStream
from telemetry._codec import ReplyParser
from telemetry.chassis.config.redis_target import redis_target
from telemetry.chassis.errors import RedisRefused
from telemetry.chassis.redis.limits import RedisLimits
from tests.support.acl_files import deployed
from tests.support.stream_contract import LONG_BLOCK_MS, RealStreamHarness, ids_of, lag_of, names_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from redis import Redis

    from dev.servers import RedisServer

PASSWORD = "s3cret"


# Each failure of its own moment.
moments = count(1)


def failure_of(entry_id: str) -> Failure:
    return Failure(entry_id, next(moments), FailureStage.DECODE, "bad_json", "not JSON")


@asynccontextmanager
async def connected_as(
    user: str, server: RedisServer, stream_name: str
) -> AsyncIterator[RedisPositionStream]:
    stream = RedisPositionStream(
        redis_target(f"redis://{user}:{PASSWORD}@{server.host}:{server.port}/0"),
        names_of(stream_name, "own"),
        instance_id=stream_name,
        limits=RedisLimits(),
        new_parser=ReplyParser,
    )
    try:
        await stream.connect()
        yield stream
    finally:
        await stream.aclose()


class Account:
    """A user of the server whose rights a test decides."""

    def __init__(self, client: Redis, stream_name: str) -> None:
        self.name = stream_name.replace(":", "-")
        self._client = client
        self._keys = (stream_name, f"{stream_name}:*")

    def grant(self, *commands: str) -> None:
        keys = [f"~{key}" for key in self._keys]
        self._acl(
            "SETUSER", "reset", "on", f">{PASSWORD}", *keys, *(f"+{each}" for each in commands)
        )

    def deny(self, command: str) -> None:
        self._acl("SETUSER", f"-{command}")

    def remove(self) -> None:
        self._acl("DELUSER")

    def _acl(self, action: str, *rules: str) -> None:
        self._client.execute_command("ACL", action, self.name, *rules)  # type: ignore[no-untyped-call]


@pytest.fixture
def account(redis_client: Redis, stream_name: str) -> Iterator[Account]:
    """A user with the documented rights, and no others."""
    account = Account(redis_client, stream_name)
    account.grant(*deployed(PROCESSOR).rights)
    yield account
    account.remove()


@pytest.mark.parametrize("protocol", ["resp3", "resp2"])
async def test_the_documented_rights_suffice_for_everything(
    redis_server: RedisServer,
    redis_client: Redis,
    stream_name: str,
    account: Account,
    protocol: str,
) -> None:
    if protocol == "resp2":
        account.deny("hello")
    harness = RealStreamHarness(redis_server.processor_url, redis_client, stream_name)
    async with connected_as(account.name, redis_server, stream_name) as stream:
        assert (await stream.ensure_group()).stream_was_missing
        good, tried, bad = harness.add(1), harness.add(2), harness.add_malformed()
        delivery = await stream.read_new(10, LONG_BLOCK_MS)
        assert await stream.record_failures([failure_of(bad)], attempts_max=2) == [
            Recorded(Fate.LEFT_PENDING, 1)
        ]
        listed = await stream.list_pending(STREAM_START, 10)
        assert [entry.attempts is None for entry in listed] == [True, True, False]
        claim = await stream.claim(STREAM_START, 10, idle_ms=0)
        assert len(claim.entries) == 3
        assert ids_of((await stream.redeliver([good])).delivery) == [good]
        assert await stream.renew([good, tried]) == [good, tried]
        assert (await stream.begin_trial(tried, attempts_max=2)).fate is Fate.LEFT_PENDING
        await stream.end_trial(tried)
        assert await stream.record_failures([failure_of(bad)], attempts_max=2) == [
            Recorded(Fate.DEAD_LETTERED, 2)
        ]
        assert await stream.ack(delivery.batch, attempted=[tried]) == 2
        harness.put_attempts(good, '{"n":1}')
        assert (await stream.sweep_attempts()).removed == 1
        await stream.keep_alive()
        assert await lag_of(stream) == (0, 0)
        assert (await stream.look()).last_id == bad
    assert len(harness.dead_letters()) == 1


async def test_a_missing_right_is_refused_by_name_and_changes_nothing(
    redis_server: RedisServer, redis_client: Redis, stream_name: str, account: Account
) -> None:
    harness = RealStreamHarness(redis_server.processor_url, redis_client, stream_name)
    async with connected_as(account.name, redis_server, stream_name) as stream:
        await stream.ensure_group()
        entry_id = harness.add_malformed()
        await stream.read_new(10, LONG_BLOCK_MS)
        account.deny("xadd")
        with pytest.raises(RedisRefused) as caught:
            await stream.record_failures([failure_of(entry_id)], attempts_max=1)
        assert caught.value.code in {"NOPERM", "ERR"}
        assert harness.pending() == {entry_id: 1}
        account.deny("hdel")
        again = await stream.redeliver([entry_id])
        assert again.delivery.entries == 1
        good = harness.add(1)
        batch = (await stream.read_new(10, LONG_BLOCK_MS)).batch
        harness.put_attempts(good, '{"n":1}')
        assert await stream.ack(batch, attempted=[good]) == 1
        assert harness.pending() == {entry_id: 2}
        with pytest.raises(RedisRefused):
            await stream.sweep_attempts()
        assert good in harness.attempts()
