"""Fixtures of the process tests: the servers of a test, and the processors that run on them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.support.processes import RUN, Service, base_environment
from tests.support.servers import Servers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from redis import Redis

    from dev.servers import Database, PostgresServer, RedisServer


class Run(Protocol):
    """Starts a processor on the test's servers, or a `program` around it; other keywords are environment variables."""

    def __call__(self, *, program: Sequence[str | Path] = RUN, **env: str) -> Service: ...


@pytest.fixture
def servers(redis_client: Redis, stream_name: str, database: Database) -> Servers:
    return Servers(redis_client, stream_name, database)


@pytest.fixture
def run(
    servers: Servers, redis_server: RedisServer, postgres_server: PostgresServer, tmp_path: Path
) -> Iterator[Run]:
    """After each test, no processor is left, and none has shown a password or a traceback."""
    services: list[Service] = []
    numbers = itertools.count(1)

    def start(*, program: Sequence[str | Path] = RUN, **env: str) -> Service:
        number = next(numbers)
        settings = {
            **base_environment(tmp_path),
            "REDIS_URL": redis_server.processor_url,
            "POSTGRES_URL": servers.database.processor_url,
            "REDIS_TELEMETRY_STREAM": servers.stream,
            **env,
        }
        service = Service(settings, tmp_path / f"stderr-{number}", program)
        services.append(service)
        return service

    yield start
    for service in services:
        service.kill()
        output = service.report() + str(service.lines)
        assert postgres_server.processor_password not in output
        assert "Traceback" not in output
