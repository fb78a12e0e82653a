"""Commands on a stream and a table of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from telemetry.chassis.control import tally
from tests.support.operators import Commands
from tests.support.servers import Servers

if TYPE_CHECKING:
    from redis import Redis

    from dev.servers import Database, RedisServer


@pytest.fixture
def commands(
    redis_server: RedisServer,
    stream_name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Commands:
    """For commands that need Redis alone. In this process, nobody is waited for who does not answer."""
    monkeypatch.setattr(tally, "ANSWER_S", 0.05)
    environment = {"REDIS_URL": redis_server.operator_url, "REDIS_TELEMETRY_STREAM": stream_name}
    return Commands(environment, monkeypatch, capsys)


@pytest.fixture
def servers(redis_client: Redis, stream_name: str, database: Database) -> Servers:
    """Both servers, as the test sees them."""
    return Servers(redis_client, stream_name, database)


@pytest.fixture
def both(commands: Commands, database: Database) -> Commands:
    """For commands that need both servers."""
    commands.environment["POSTGRES_URL"] = database.processor_url
    return commands
