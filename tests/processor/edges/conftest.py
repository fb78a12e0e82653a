"""Fixtures for the edges: the owner of the table, certificates of the run's own, and the worlds of the stream."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import trustme

from tests.support.stream_contract import FakeStreamHarness, RealStreamHarness, StreamHarness
from tests.support.tls_relay import relay_to, tls_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from redis import Redis

    from dev.servers import Database, RedisServer
    from processor.edges.ports import PositionStream


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A session of the owner of the schema; every statement is committed by itself."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority that nobody else trusts."""
    return trustme.CA()


@pytest.fixture(scope="session")
def authority_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority's certificate, for the URL option `ssl_ca_certs`."""
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """What a TLS server on this machine needs."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(params=["fake", "real", "tls"])
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[StreamHarness]:
    """A stream that is connected: in memory, on a real server, and on a real server through TLS."""
    async with harness_of(request) as harness:
        await harness.stream.connect()
        yield harness
        await harness.stream.aclose()


@asynccontextmanager
async def harness_of(request: pytest.FixtureRequest) -> AsyncIterator[StreamHarness]:
    """The world that the fixture's parameter names."""
    if request.param == "fake":
        yield FakeStreamHarness()
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    client: Redis = request.getfixturevalue("redis_client")
    name: str = request.getfixturevalue("stream_name")
    if request.param == "real":
        yield RealStreamHarness(server.url, client, name)
        return
    tls = request.getfixturevalue("server_tls")
    async with relay_to(server.port, tls=tls) as relay:
        yield RealStreamHarness(
            tls_url(relay, request.getfixturevalue("authority_file")), client, name
        )


@pytest.fixture
async def grouped(harness: StreamHarness) -> StreamHarness:
    """A world whose stream and group are there, without an entry."""
    await harness.stream.ensure_group()
    return harness


@pytest.fixture
async def other(grouped: StreamHarness) -> AsyncIterator[PositionStream]:
    """Another consumer of the same group."""
    stream = grouped.consumer("other")
    await stream.connect()
    yield stream
    await stream.aclose()
