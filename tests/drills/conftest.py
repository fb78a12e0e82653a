"""Runs `processor drill sigterm` as an operator does, and looks at what it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import processor
from tests.support.processes import base_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from dev.servers import Database, RedisServer

ROOT = Path(__file__).parents[2]
PACKAGE = Path(processor.__file__).parents[1]
# Far beyond what any of them takes.
WAIT_S_MAX = 120.0
# Enough for the stand-ins, which write row by row.
LIGHT = ("--rate", "200", "--backlog", "300", "--within-ms", "400")


@dataclass(frozen=True)
class Drilled:
    """A drill that has ended."""

    code: int
    output: str
    errors: str

    @property
    def figures(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.output)
        return found


@dataclass
class Drills:
    """Drills on the test's servers."""

    environment: dict[str, str]
    redis: Redis
    database: Database

    def start(
        self, *arguments: str, stand_in: str | None = None, **env: str
    ) -> subprocess.Popen[str]:
        """Begin a drill, of a stand-in or of the service itself: `sigterm`, unless `load` is the first argument."""
        command = (
            ()
            if stand_in is None
            else ("--command", f"{sys.executable} -m tests.drills.stand_in {stand_in}")
        )
        return subprocess.Popen(
            [sys.executable, "-m", "processor", "drill", *_named(arguments), *command],
            env={**self.environment, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def end(self, process: subprocess.Popen[str]) -> Drilled:
        """Wait for its end."""
        output, errors = process.communicate(timeout=WAIT_S_MAX)
        assert "Traceback" not in errors, errors
        return Drilled(process.returncode, output, errors)

    def run(self, *arguments: str, stand_in: str | None = None, **env: str) -> Drilled:
        """A drill from start to end, with its figures as JSON."""
        return self.end(self.start(*arguments, "--json", stand_in=stand_in, **env))

    def keys(self) -> set[str]:
        """What drills have in Redis."""
        return {key.decode() for key in self.redis.scan_iter(match="*drill-*")}

    def rows(self, condition: str = "true") -> int:
        """Rows in the table."""
        with self.database_owner() as owner:
            query = f"SELECT count(*) FROM positions WHERE {condition}"
            [count] = owner.execute(query.encode()).fetchone() or (0,)
            return int(count)

    def database_owner(self) -> psycopg.Connection:
        """A connection of the table's owner."""
        return psycopg.connect(self.database.admin_url, autocommit=True)

    def leave_nothing(self) -> bool:
        """Whether the servers are as before."""
        return not self.keys() and not self.rows()


def _named(arguments: tuple[str, ...]) -> tuple[str, ...]:
    return arguments if arguments[:1] == ("load",) else ("sigterm", *arguments)


@pytest.fixture
def drills(
    redis_server: RedisServer,
    redis_client: Redis,
    database: Database,
    tmp_path: Path,
) -> Iterator[Drills]:
    environment = {
        **base_environment(tmp_path),
        # The package that the tests themselves import, and the stand-ins.
        "PYTHONPATH": os.pathsep.join([str(PACKAGE), str(ROOT)]),
        "REDIS_URL": redis_server.processor_url,
        "REDIS_ADMIN_URL": redis_server.drill_url,
        "POSTGRES_URL": database.processor_url,
        "POSTGRES_ADMIN_URL": database.admin_url,
        "CLAIM_THRESHOLD_MS": "1000",
    }
    yield Drills(environment, redis_client, database)
    for key in redis_client.scan_iter(match="*drill-*"):
        redis_client.delete(key)
