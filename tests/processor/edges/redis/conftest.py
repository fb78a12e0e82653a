"""The harnesses that the stream's contract is tested on."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.stream_contract import FakeStreamHarness, RealStreamHarness, StreamHarness
from tests.support.tls_relay import relay_to, tls_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis import Redis

    from dev.servers import RedisServer
    from processor.edges.ports import PositionStream


@pytest.fixture(params=["fake", "real", "tls"])
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[StreamHarness]:
    """A stream that is connected: in memory, on a real server, and on a real server through TLS."""
    async with harness_of(request) as harness:
        await harness.stream.connect()
        yield harness
        await harness.stream.aclose()


@asynccontextmanager
async def harness_of(request: pytest.FixtureRequest) -> AsyncIterator[StreamHarness]:
    """The harness that the fixture's parameter names."""
    if request.param == "fake":
        yield FakeStreamHarness()
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    client: Redis = request.getfixturevalue("redis_client")
    name: str = request.getfixturevalue("stream_name")
    if request.param == "real":
        yield RealStreamHarness(server.processor_url, client, name)
        return
    tls = request.getfixturevalue("server_tls")
    async with relay_to(server.port, tls=tls) as relay:
        yield RealStreamHarness(
            tls_url(relay, request.getfixturevalue("authority_file")), client, name
        )


@pytest.fixture
async def real(
    redis_server: RedisServer, redis_client: Redis, stream_name: str
) -> AsyncIterator[RealStreamHarness]:
    """A stream on a real server, connected, with its group."""
    harness = RealStreamHarness(redis_server.processor_url, redis_client, stream_name)
    await harness.stream.connect()
    await harness.stream.ensure_group()
    yield harness
    await harness.stream.aclose()


@pytest.fixture
async def grouped(harness: StreamHarness) -> StreamHarness:
    """A harness whose stream and group exist, without an entry."""
    await harness.stream.ensure_group()
    return harness


@pytest.fixture
async def other(grouped: StreamHarness) -> AsyncIterator[PositionStream]:
    """Another consumer of the same group."""
    stream = grouped.consumer("other")
    await stream.connect()
    yield stream
    await stream.aclose()
