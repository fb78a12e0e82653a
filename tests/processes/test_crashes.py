"""A crash of the whole service, on real servers: exit code 1, a dump, and the next life writes what was in flight."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import Service, base_environment
from tests.support.servers import drive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import PostgresServer, RedisServer
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

# The interpreter imports this module by itself, before anything else: the service has no switch for a crash.
SITECUSTOMIZE = """
from processor.edges.postgres.store import PostgresStore

async def crash(self, batch):
    raise ZeroDivisionError(f"cannot write {batch.rows} rows")

PostgresStore.copy_direct = PostgresStore.insert_new = crash
"""


@pytest.fixture
def crashing(
    servers: Servers, redis_server: RedisServer, postgres_server: PostgresServer, tmp_path: Path
) -> Iterator[Service]:
    """A processor whose first write raises an error that nobody expects."""
    (tmp_path / "sitecustomize.py").write_text(SITECUSTOMIZE)
    settings = {
        **base_environment(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
        "REDIS_URL": redis_server.processor_url,
        "POSTGRES_URL": servers.database.processor_url,
        "REDIS_TELEMETRY_STREAM": servers.stream,
    }
    service = Service(settings, tmp_path / "stderr-crash")
    yield service
    service.kill()
    assert postgres_server.processor_password not in service.report() + str(service.lines)


def test_a_crash_leaves_a_dump_and_what_was_in_flight_to_the_next_life(
    crashing: Service, run: Run, servers: Servers, postgres_server: PostgresServer
) -> None:
    crashing.ready()
    ids = servers.publish_at_once(drive(100))
    assert crashing.wait() == 1
    last = crashing.lines[-1]
    assert (last["level"], last["panic_dump_failure"]) == ("fatal", None)
    text = Path(last["panic_dump"]).read_text()
    assert postgres_server.processor_password not in text
    dump: dict[str, Any] = json.loads(text)
    assert "ZeroDivisionError: cannot write 100 rows" in dump["error"]
    assert dump["statistics"]["in_flight_records"] == 100
    assert dump["statistics"]["phase"] == "running"
    standing = {task["name"] for task in dump["tasks"]}
    assert {
        "processor.settling.acker.Acker.run",
        "processor.reading.consumer.Consumer.run",
    } <= standing
    assert servers.pending_ids() == ids

    heir = run(PYTHONPATH=os.pathsep.join(sys.path)).ready()
    heir.until_metrics(acks_total=100)
    assert servers.rows() == 100
    assert servers.pending() == 0
    assert heir.stop() == 0
