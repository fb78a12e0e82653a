"""Runs `tcp-ingestion drill sigterm` as an operator does, and looks at what it leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.drills.conftest import PACKAGE, ROOT, WAIT_S_MAX, Drilled
from tests.support.processes import base_environment

if TYPE_CHECKING:
    from pathlib import Path

    from redis import Redis

    from dev.servers import RedisServer

# Enough for a stand-in, which has a thread for each device.
LIGHT = ("--seed", "1", "--devices", "10", "--rate", "50", "--within-ms", "300")


@dataclass
class IngestionDrills:
    """Drills on the test's Redis."""

    environment: dict[str, str]
    redis: Redis

    def start(
        self, *arguments: str, stand_in: str | None = None, **env: str
    ) -> subprocess.Popen[str]:
        """Begin a drill, of a stand-in or of the service itself."""
        command = (
            ()
            if stand_in is None
            else ("--command", f"{sys.executable} -m tests.drills.ingestion.stand_in {stand_in}")
        )
        return subprocess.Popen(
            [sys.executable, "-m", "ingestion", "drill", "sigterm", *command, *arguments],
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

    def keys(self) -> list[str]:
        """What drills have in Redis."""
        return [key.decode() for key in self.redis.scan_iter(match="*drill-*")]


@pytest.fixture
def drills(redis_server: RedisServer, redis_client: Redis, tmp_path: Path) -> IngestionDrills:
    environment = {
        **base_environment(tmp_path),
        # The packages that the tests themselves import, and the stand-in.
        "PYTHONPATH": os.pathsep.join([str(PACKAGE), str(ROOT)]),
        "REDIS_URL": redis_server.ingestion_url,
        "REDIS_ADMIN_URL": redis_server.drill_url,
        "DRAIN_BUDGET_MS": "1000",
    }
    return IngestionDrills(environment, redis_client)
