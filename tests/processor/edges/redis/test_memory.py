"""A Redis at its limits: memory that is full, and replies that are larger than it keeps for a client."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import trio
from redis import Redis

from dev.servers import launch_redis
from processor.core.attempts import Failure, FailureStage
from telemetry.chassis.errors import RedisRefused
from tests.conftest import redis_key
from tests.support.real_lives import RealStreamService, living, pending, publish, until
from tests.support.stream_contract import GROUP, LONG_BLOCK_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import RedisServer

NAME = "telemetry:limits"
# The hard limit, in bytes: a client with more to come is closed at once.
OUTPUT_BYTES_MAX = 1_000_000
FAT: dict[str, Any] = {"attributes": {"385": "x" * 20_000}}


@pytest.fixture
def server(pytestconfig: pytest.Config) -> Iterator[RedisServer]:
    """A Redis of the test's own, whose settings it may change."""
    with launch_redis(pytestconfig.stash[redis_key]) as server:
        yield server


@pytest.fixture
def client(server: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(server.admin_url) as client:
        yield client


@contextmanager
def full(client: Redis) -> Iterator[None]:
    """Redis has more in memory than it may."""
    client.config_set("maxmemory", 1)
    yield
    client.config_set("maxmemory", 0)


async def test_a_full_memory_stops_neither_start_nor_reading_nor_acknowledging_where_the_group_is(
    server: RedisServer, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    client.xgroup_create(NAME, GROUP, "0", mkstream=True)
    publish(client, NAME, 1_000)
    service = RealStreamService(server.processor_url, NAME)
    with full(client):
        async with living(service):
            await until(lambda: service.rows == 1_000, "everything is written")
            await until(lambda: pending(client, NAME) == 0, "and acknowledged")
            client.client_kill_filter(_type="normal", skipme=True)
            client.config_set("maxmemory", 0)
            publish(client, NAME, 1_000, first=1_000)
            client.config_set("maxmemory", 1)
            await until(lambda: service.rows == 2_000, "reading goes on on new connections")
            await until(lambda: pending(client, NAME) == 0, "and acknowledging")
    assert "consumer group is gone" not in caplog.text


async def test_a_full_memory_where_the_group_is_missing_is_reported_in_redis_own_words(
    server: RedisServer, client: Redis
) -> None:
    stream = RealStreamService(server.processor_url, NAME).real
    await stream.connect()
    with full(client), pytest.raises(RedisRefused, match="OOM") as caught:
        await stream.ensure_group()
    assert not caught.value.wants_new_connection
    assert (await stream.ensure_group()).stream_was_missing
    await stream.aclose()


async def test_what_has_recorded_failures_is_acknowledged_though_memory_is_full(
    server: RedisServer, client: Redis
) -> None:
    stream = RealStreamService(server.processor_url, NAME).real
    await stream.connect()
    await stream.ensure_group()
    publish(client, NAME, 2)
    batch = (await stream.read_new(10, LONG_BLOCK_MS)).batch
    tried = batch.entry_ids[0]
    failure = Failure(tried, 1, FailureStage.WRITE, "refused_by_server", "no")
    await stream.record_failures([failure], attempts_max=3)
    with full(client):
        with pytest.raises(RedisRefused, match="OOM"):
            await stream.record_failures([replace(failure, failed_at_ms=2)], attempts_max=3)
        assert await stream.ack(batch, attempted=[tried]) == 2
    assert pending(client, NAME) == 0
    assert client.hlen(f"{NAME}:{GROUP}:attempts") == 0
    await stream.aclose()


async def test_reads_whose_replies_are_too_large_are_repeated_in_halves_and_grow_again(
    server: RedisServer, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    client.config_set("client-output-buffer-limit", f"normal {OUTPUT_BYTES_MAX} 0 0")
    client.xgroup_create(NAME, GROUP, "0", mkstream=True)
    publish(client, NAME, 500, **FAT)
    service = RealStreamService(server.processor_url, NAME)
    began_s = trio.current_time()
    async with living(service, BATCH_SIZE="5000", CLAIM_THRESHOLD_MS="60000"):
        await until(lambda: service.rows == 500, "everything is written")
        await until(lambda: pending(client, NAME) == 0, "and acknowledged")
        assert trio.current_time() - began_s < 10
        lost = caplog.text.count("read failed and is repeated")
        publish(client, NAME, 20_000, first=1_000)
        await until(lambda: service.rows == 20_500, "what fits comes in larger reads again")
    # Deliveries that were lost on their way to a process that lives on are no ground for suspicion.
    assert "crash suspect" not in caplog.text
    assert 0 < lost < 30
    assert caplog.text.count("read failed and is repeated") - lost < 5


async def test_claims_whose_replies_are_too_large_are_repeated_in_halves(
    server: RedisServer, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    client.config_set("client-output-buffer-limit", f"normal {OUTPUT_BYTES_MAX} 0 0")
    client.xgroup_create(NAME, GROUP, "0", mkstream=True)
    publish(client, NAME, 300, **FAT)
    for _ in range(30):
        client.xreadgroup(GROUP, "dead", {NAME: ">"}, count=10)
    service = RealStreamService(server.processor_url, NAME)
    async with living(service):
        await until(
            lambda: service.rows == 300, "the entries of the dead consumer are claimed and written"
        )
        await until(lambda: pending(client, NAME) == 0, "and acknowledged")
    assert "claim failed and is repeated" in caplog.text
    assert "crash suspect" not in caplog.text
