"""Whole drills of tcp-ingestion: of the service, which must pass, and of stand-ins with one broken guarantee each."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from dev.servers.ports import free_port
from tests.drills.conftest import WAIT_S_MAX
from tests.drills.ingestion.conftest import LIGHT
from tests.support.processes import until

if TYPE_CHECKING:
    from pathlib import Path

    from dev.servers import RedisServer
    from tests.drills.ingestion.conftest import IngestionDrills


@pytest.mark.parametrize(
    ("fault", "codes"), [("sigterm", {"0"}), ("kill9", {"-9"}), ("freeze-redis", {"0", "3"})]
)
def test_the_service_passes(
    drills: IngestionDrills, tmp_path: Path, fault: str, codes: set[str]
) -> None:
    drilled = drills.run(
        *("--fault", fault, "--rounds", "1", "--seed", "1", "--report", str(tmp_path / "drills"))
    )
    assert drilled.code == 0, drilled.output + drilled.errors
    figures = drilled.figures
    assert (figures["violations"], figures["lost"], figures["foreign"]) == (0, 0, 0)
    assert figures["published"] - figures["repeated"] >= figures["records_answered"] > 0
    assert figures["connections"] > figures["devices"] == 50
    assert set(figures["exit_codes"]) <= codes
    [report] = (tmp_path / "drills").iterdir()
    assert report.read_text().count("<svg ") == (fault != "kill9")
    assert not drills.keys()


@pytest.mark.parametrize(
    ("stand_in", "violation"),
    [
        ("answer-and-drop", "records were answered and are not in the stream, the first is 00998"),
        ("invent", "1 records are in the stream and no device sent them, the first is 00998"),
        ("answer-wrong", "answers had a wrong number"),
        ("fail", "ended with exit code 1"),
    ],
)
def test_a_broken_guarantee_is_a_violation(
    drills: IngestionDrills, stand_in: str, violation: str
) -> None:
    drilled = drills.run("--rounds", "1", *LIGHT, stand_in=stand_in)
    assert drilled.code == 1, drilled.errors
    assert any(violation in text for text in drilled.figures["violation_texts"])
    assert not drills.keys()


def test_an_honest_stand_in_passes(drills: IngestionDrills) -> None:
    drilled = drills.run("--rounds", "1", *LIGHT, stand_in="honest")
    assert drilled.code == 0, drilled.output + drilled.errors


def test_an_interrupted_drill_leaves_neither_keys_nor_processes(drills: IngestionDrills) -> None:
    process = drills.start("--rounds", "1000", *LIGHT, stand_in="honest")
    until(drills.keys, "records are published")
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    drilled = drills.end(process)
    assert drilled.code == 130
    assert drilled.output == ""
    gone, alive = psutil.wait_procs(children, timeout=WAIT_S_MAX)
    assert len(gone) >= 2
    assert not alive
    assert not drills.keys()


@pytest.mark.parametrize(
    ("env", "code", "said"),
    [
        ({"REDIS_URL": ""}, 78, "REDIS_URL is not set"),
        ({"REDIS_ADMIN_URL": "redis://:hush@127.0.0.1:{port}"}, 4, "127.0.0.1:{port}"),
        ({"DRAIN_BUDGET_MS": "never"}, 78, "DRAIN_BUDGET_MS"),
    ],
)
def test_what_keeps_a_drill_from_starting_is_reported_without_a_password(
    drills: IngestionDrills, env: dict[str, str], code: int, said: str
) -> None:
    port = free_port()
    drilled = drills.run(**{name: value.format(port=port) for name, value in env.items()})
    assert drilled.code == code
    assert said.format(port=port) in drilled.errors
    assert "hush" not in drilled.errors


def test_a_user_that_may_not_look_at_streams_is_reported_before_anything_is_made(
    drills: IngestionDrills, redis_server: RedisServer
) -> None:
    with redis_server.denials_intended():
        drilled = drills.run("--rounds", "1", *LIGHT, stand_in="honest", REDIS_ADMIN_URL="")
    assert drilled.code == 2
    assert "set REDIS_ADMIN_URL" in drilled.errors
    assert not drills.keys()
