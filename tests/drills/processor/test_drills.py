"""Whole drills on real servers: of the service, which must pass, and of stand-ins with one broken guarantee each."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from dev.servers.ports import free_port
from tests.drills.conftest import LIGHT, WAIT_S_MAX
from tests.support.processes import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.drills.conftest import Drilled, Drills


def passed(drilled: Drilled) -> bool:
    assert drilled.code == 0, drilled.output + drilled.errors
    figures = drilled.figures
    assert figures["published"] == figures["rows"] > 0
    assert (figures["violations"], figures["lost"], figures["written_twice"]) == (0, 0, 0)
    assert figures["left_pending"] == 0
    return True


def test_the_service_passes_stop_requests_under_load(drills: Drills, tmp_path: Path) -> None:
    drilled = drills.run("--rounds", "3", "--seed", "1", "--report", str(tmp_path / "drills"))
    assert passed(drilled)
    figures = drilled.figures
    assert figures["rounds"] == 3
    assert 0 < figures["drain_ms_p50"] <= figures["drain_ms_p99"] <= figures["drain_ms_max"] < 9_500
    [report] = (tmp_path / "drills").iterdir()
    assert report.read_text().count("<svg ") == 2
    assert drills.leave_nothing()


def test_the_service_passes_kills(drills: Drills) -> None:
    drilled = drills.run("--rounds", "2", "--seed", "1", "--fault", "kill9")
    assert passed(drilled)
    assert drilled.figures["exit_codes"] == {"-9": 2}
    assert drilled.figures["drain_ms_max"] is None
    assert drills.leave_nothing()


@pytest.mark.parametrize("fault", ["freeze-postgres", "freeze-redis"])
def test_the_service_passes_a_frozen_server(drills: Drills, fault: str) -> None:
    load = ("--rate", "500", "--backlog", "5000")
    drilled = drills.run(
        *("--rounds", "1", "--seed", "1", "--fault", fault, *load), DRAIN_BUDGET_MS="1500"
    )
    assert passed(drilled)
    # Whether anything was in flight when the server froze is left to chance.
    assert drilled.figures["exit_codes"] in ({"3": 1}, {"0": 1})
    assert drilled.figures["drain_ms_max"] <= 3_000
    assert drills.leave_nothing()


def test_a_server_that_thaws_within_the_budget_lets_the_drain_end(drills: Drills) -> None:
    drilled = drills.run(
        *("--rounds", "3", "--seed", "2", "--fault", "freeze-postgres", *LIGHT),
        stand_in="honest",
        DRAIN_BUDGET_MS="500",
        SHUTDOWN_TIMEOUT_MS="1000",
    )
    # The stand-in knows no budget: while nothing thaws it hangs before the frozen server, until it is killed.
    assert drilled.figures["exit_codes"] == {"-9": 2, "0": 1}
    assert not any("round 3" in text for text in drilled.figures["violation_texts"])
    assert drilled.figures["lost"] == 0


def test_what_is_released_is_seen_and_so_is_how_long_it_waits(drills: Drills) -> None:
    drilled = drills.run("--rounds", "3", "--seed", "1", *LIGHT, stand_in="release")
    assert passed(drilled)
    assert drilled.figures["released"] > 0
    assert 0 < drilled.figures["takeover_ms_p50"] <= drilled.figures["takeover_ms_max"]


@pytest.mark.parametrize(
    ("stand_in", "violation"),
    [
        ("ack-and-drop", "records are lost, the first is number 0"),
        ("count-twice", "rows were written twice"),
        ("strand", "entries pending and not released"),
        ("count-wrong", "its ledger does not balance"),
        ("silent", "ended without its last log line"),
        ("fail", "ended with exit code 1"),
        ("overtime", "ms to end, allowed are 1600 ms"),
        ("hang", "did not end after the stop request, and was killed"),
    ],
)
def test_a_broken_guarantee_is_a_violation(drills: Drills, stand_in: str, violation: str) -> None:
    drilled = drills.run(
        *("--rounds", "1", "--seed", "1", *LIGHT, "--tolerance-ms", "100"),
        stand_in=stand_in,
        DRAIN_BUDGET_MS="500",
        SHUTDOWN_TIMEOUT_MS="1000" if stand_in == "hang" else "30000",
    )
    assert drilled.code == 1
    assert any(violation in text for text in drilled.figures["violation_texts"])
    assert drilled.figures["violations"] == len(drilled.figures["violation_texts"])
    assert drills.leave_nothing()


def test_a_row_that_the_table_has_twice_is_a_violation(drills: Drills) -> None:
    with drills.database_owner() as owner:
        owner.execute("DROP INDEX positions_device_ts")
    drilled = drills.run("--rounds", "1", "--seed", "1", *LIGHT, stand_in="write-twice")
    assert drilled.code == 1
    assert drilled.figures["written_twice"] == drilled.figures["published"] > 0
    assert drilled.figures["lost"] == 0


def test_rows_that_vanish_from_the_table_are_lost_whatever_the_service_says(drills: Drills) -> None:
    with drills.database_owner() as owner:
        owner.execute(
            "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF NEW.attributes ->> '16' = '100' THEN RETURN NULL; END IF; RETURN NEW; END $$"
        )
        owner.execute(
            "CREATE TRIGGER forget BEFORE INSERT ON positions FOR EACH ROW EXECUTE FUNCTION forget()"
        )
    drilled = drills.run("--rounds", "1", "--seed", "1")
    assert drilled.code == 1
    assert drilled.figures["lost"] == 1
    assert "1 records are lost, the first is number 100" in drilled.figures["violation_texts"]


def test_a_service_that_does_not_start_ends_the_drill_with_its_reason(drills: Drills) -> None:
    drilled = drills.run("--rounds", "1", stand_in="refuse")
    assert drilled.code == 3
    assert "ended with exit code 5 before it was ready" in drilled.errors
    assert "the schema is not what it should be" in drilled.errors
    assert drills.leave_nothing()


def test_a_command_that_does_not_exist_ends_the_drill(drills: Drills) -> None:
    drilled = drills.run("--rounds", "1", "--command", "/nowhere/processor run")
    assert drilled.code == 3
    assert "cannot start /nowhere/processor: No such file or directory" in drilled.errors
    assert drills.leave_nothing()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_drill_leaves_neither_rows_nor_keys_nor_processes(
    drills: Drills, number: signal.Signals
) -> None:
    process = drills.start("--rounds", "1000", *LIGHT, stand_in="honest")
    until(drills.rows, "rows are written")
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    drilled = drills.end(process)
    assert drilled.code == 130
    assert drilled.output == ""
    gone, alive = psutil.wait_procs(children, timeout=WAIT_S_MAX)
    assert gone
    assert not alive
    assert drills.leave_nothing()


@pytest.mark.parametrize(
    ("env", "code", "said"),
    [
        ({"REDIS_URL": ""}, 78, "REDIS_URL is not set"),
        ({"POSTGRES_URL": "mysql://u:hush@h/d"}, 78, "POSTGRES_URL"),
        (
            {"REDIS_URL": "redis://:hush@127.0.0.1:{port}", "REDIS_ADMIN_URL": ""},
            4,
            "127.0.0.1:{port}",
        ),
        ({"REDIS_ADMIN_URL": "redis://:hush@127.0.0.1:{port}"}, 4, "127.0.0.1:{port}"),
        ({"POSTGRES_URL": "postgres://u:hush@127.0.0.1:{port}/d"}, 4, "127.0.0.1:{port}"),
        ({"DRAIN_BUDGET_MS": "never"}, 78, "DRAIN_BUDGET_MS"),
    ],
)
def test_what_keeps_a_drill_from_starting_is_reported_without_a_password(
    drills: Drills, env: dict[str, str], code: int, said: str
) -> None:
    port = free_port()
    drilled = drills.run(**{name: value.format(port=port) for name, value in env.items()})
    assert drilled.code == code
    assert said.format(port=port) in drilled.errors
    assert "hush" not in drilled.errors
    assert drills.leave_nothing()


ENGINE = """\
#!/bin/sh
# Plays a container engine: run --rm --network host --name NAME ... and kill --signal NAME CONTAINER
case $1 in
run) echo $$ > {directory}/$6; exec {python} -m tests.drills.stand_in honest ;;
kill) kill -$3 $(cat {directory}/$4) ;;
esac
"""


@pytest.mark.parametrize("fault", ["sigterm", "kill9"])
def test_a_container_is_signalled_by_its_name(drills: Drills, tmp_path: Path, fault: str) -> None:
    engine = tmp_path / "engine"
    engine.write_text(ENGINE.format(directory=tmp_path, python=sys.executable))
    engine.chmod(0o700)
    where = ("--container", "processor:1.4", "--engine", str(engine))
    drilled = drills.run("--rounds", "2", "--seed", "1", "--fault", fault, *LIGHT, *where)
    assert passed(drilled)
    assert len(list(tmp_path.glob("drill-*-life-*"))) == 3
