"""Fixtures of the deployment tests: those of the process tests, and servers that a test may damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis

from dev.servers import launch_redis, launch_relay
from tests.drills.conftest import drills
from tests.processes.conftest import run, servers
from tests.processes.ingestion.conftest import ingest
from tests.support.servers import Servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import Database, PostgresServer, RedisBinary, RedisServer, Relay

__all__ = ["drills", "ingest", "run", "servers"]


@pytest.fixture
def own_redis(redis_binary: RedisBinary) -> Iterator[RedisServer]:
    """A Redis for this test alone: it may change its settings and fill its memory."""
    with launch_redis(redis_binary) as server:
        yield server


@pytest.fixture
def own_servers(own_redis: RedisServer, stream_name: str, database: Database) -> Iterator[Servers]:
    """A stream in `own_redis`, and a table of the run's PostgreSQL."""
    with Redis.from_url(own_redis.admin_url) as client:
        yield Servers(client, stream_name, database)


@pytest.fixture
def redis_link(redis_server: RedisServer) -> Iterator[Relay]:
    """The link between the service and the run's Redis."""
    with launch_relay(redis_server.port) as relay:
        yield relay


@pytest.fixture
def postgres_link(postgres_server: PostgresServer) -> Iterator[Relay]:
    """The link between the service and the run's PostgreSQL."""
    with launch_relay(postgres_server.port) as relay:
        yield relay
