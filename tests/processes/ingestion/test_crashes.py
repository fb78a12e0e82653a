"""A fault of the program: in a session it ends that session alone, elsewhere it ends the process and leaves a dump."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ingestion import Ingestion, ingestions, published
from tests.support.ingestion_frames import imei_of, tcp_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from dev.servers import RedisServer
    from tests.support.ingestion import Ingest

# The interpreter imports such a module by itself, before anything else: the service has no switch for a fault.
FAULTY_SESSION = """
from ingestion.sessions.roster import Roster

enter = Roster.enter

def fail(self, imei, conversation):
    if imei == "{imei}":
        raise ZeroDivisionError("a fault of the program")
    return enter(self, imei, conversation)

Roster.enter = fail
"""
FAULTY_PUBLISHER = """
from ingestion.publishing.frame_queue import FrameQueue

def fail(self, frame):
    raise ZeroDivisionError("a fault of the program")

FrameQueue.answered = fail
"""


def customized(directory: Path, source: str) -> dict[str, str]:
    """Environment variables with which the interpreter runs `source` first."""
    (directory / "sitecustomize.py").write_text(source)
    return {"PYTHONPATH": os.pathsep.join([str(directory), *sys.path])}


def test_a_fault_in_a_session_ends_that_session_alone(ingest: Ingest, tmp_path: Path) -> None:
    service = ingest(**customized(tmp_path, FAULTY_SESSION.format(imei=imei_of(2)))).ready()
    with service.login(1) as device:
        for _ in range(2):
            with service.connect(2) as unlucky:
                assert unlucky.login() == b""
        assert device.ask(tcp_frame(0)) == 5
        service.until_metrics(connections_active=1)
    line = service.wait_for("session failed")
    assert line["level"] == "error"
    assert "ZeroDivisionError: a fault of the program" in line["error"]
    assert service.stop() == 0


@pytest.fixture
def crashing(redis_server: RedisServer, stream_name: str, tmp_path: Path) -> Iterator[Ingestion]:
    """It fails when Redis has confirmed the first frame, before the device is answered."""
    with ingestions(redis_server, stream_name, tmp_path, shows_tracebacks=True) as start:
        yield start(**customized(tmp_path, FAULTY_PUBLISHER)).ready()


def test_a_crash_leaves_a_dump_and_no_answer_and_the_device_gets_through_to_the_next_life(
    crashing: Ingestion, ingest: Ingest, redis_client: Redis, stream_name: str
) -> None:
    with crashing.login() as device:
        device.send(tcp_frame(0))
        assert device.until_closed() == b""
    assert crashing.wait() == 1
    last = crashing.lines[-1]
    assert (last["level"], last["panic_dump_failure"]) == ("fatal", None)
    assert last["msg"].startswith("uncaught exception")
    dump: dict[str, Any] = json.loads(Path(last["panic_dump"]).read_text())
    assert "ZeroDivisionError: a fault of the program" in dump["error"]
    assert dump["statistics"]["phase"] == "running"
    assert dump["load"]["connections"] == 1

    heir = ingest(PYTHONPATH=os.pathsep.join(sys.path)).ready()
    with heir.login() as device:
        assert device.ask(tcp_frame(0)) == 5
    assert len(set(published(redis_client, stream_name))) == 5
    assert heir.stop() == 0
