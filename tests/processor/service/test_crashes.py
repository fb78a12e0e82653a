"""Crashes of real processes: exit code 1, a fatal line, a dump that says what was in flight, and no password."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from processor.cli import main
from tests.support.crashing import ENTRY_IDS
from tests.tidy.source import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SECRETS = ("postgres-hush", "redis-hush")


@pytest.fixture
def dump_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "dumps"
    directory.mkdir()
    return directory


@dataclass
class Crashed:
    code: int
    last: dict[str, Any]
    output: str

    @property
    def dump(self) -> Path:
        (path,) = self.directory.iterdir()
        assert self.last["panic_dump"] == str(path)
        return path

    directory: Path

    def sections(self) -> dict[str, Any]:
        sections: dict[str, Any] = json.loads(self.dump.read_text())
        return sections


def crashed(dump_dir: Path, manner: str, **env: str) -> Crashed:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.crashing", manner],
        cwd=ROOT,
        env={
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "REDIS_URL": "redis://u:redis-hush@127.0.0.1",
            "POSTGRES_URL": "postgresql://u:postgres-hush@127.0.0.1/d",
            "PANIC_DUMP_DIR": str(dump_dir),
            **env,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    output = done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return Crashed(done.returncode, lines[-1] if lines else {}, output, dump_dir)


@pytest.mark.parametrize("manner", ["error", "panic", "group", "leak"])
def test_a_crash_ends_with_1_a_fatal_line_and_a_dump_without_a_password(
    dump_dir: Path, manner: str
) -> None:
    end = crashed(dump_dir, manner)
    assert end.code == 1
    assert (end.last["level"], end.last["panic_dump_failure"]) == ("fatal", None)
    assert end.last["msg"].startswith("uncaught exception ")
    assert end.last["tree"] == end.sections()["tree"]
    assert end.dump.stat().st_mode & 0o777 == 0o600
    text = end.dump.read_text()
    assert not [secret for secret in SECRETS if secret in text + end.output]


def test_a_dump_shows_what_was_in_flight_and_where_the_tasks_stood(dump_dir: Path) -> None:
    dump = crashed(dump_dir, "error").sections()
    assert dump["in_flight"] == {"entries": 2, "oldest": dict.fromkeys(ENTRY_IDS, 1_000)}
    assert dump["ledger"] == {"read": 2, "left_pending": 2}
    assert dump["device_states"]["held"] == 0
    assert dump["failed_task"].endswith(".crash")
    [standing] = [task for task in dump["tasks"] if task["name"].endswith(".write_forever")]
    assert standing["frames"][0]["function"] == "write_forever"
    assert [line["msg"] for line in dump["log"]] == ["processor ready"]


def test_errors_of_two_tasks_are_both_shown(dump_dir: Path) -> None:
    dump = crashed(dump_dir, "group").sections()
    assert "ZeroDivisionError: group" in dump["error"]
    assert "KeyError: 'on the way out'" in dump["error"]
    assert dump["failed_task"].endswith(".crash")


def test_a_directory_that_is_away_hides_nothing(dump_dir: Path, tmp_path: Path) -> None:
    dump_dir.rmdir()
    end = crashed(dump_dir, "error", TMPDIR=str(tmp_path))
    assert end.code == 1
    assert "ZeroDivisionError" in end.last["tree"]
    assert end.last["panic_dump"].startswith(f"{tmp_path}/processor-panic-")
    assert end.last["panic_dump_failure"] == f"{dump_dir}: No such file or directory"


def test_disks_that_are_full_hide_nothing(dump_dir: Path, tmp_path: Path) -> None:
    end = crashed(dump_dir, "full", TMPDIR=str(tmp_path))
    assert end.code == 1
    assert "ZeroDivisionError" in end.last["tree"]
    assert end.last["panic_dump"] is None
    assert end.last["panic_dump_failure"].startswith(f"{dump_dir}: File too large; temporary")
    assert list(dump_dir.iterdir()) == []


def test_a_segmentation_fault_leaves_a_trace_on_standard_error(dump_dir: Path) -> None:
    end = crashed(dump_dir, "segv")
    assert end.code == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in end.output
    assert "in crash" in end.output


def test_a_dump_of_a_real_crash_is_shown_to_a_person(
    dump_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dump = crashed(dump_dir, "panic").dump
    assert main(["panic", "show", str(dump)]) == 0
    shown = capsys.readouterr().out
    for text in (
        "PanicException: index out of bounds",
        "__main__.write_forever",
        f"{ENTRY_IDS[0]}  in flight for 1000 ms or more",
        "XPENDING telemetry:teltonika processor - + 10 processor-1",
        "The codec was given bytes",
        "processor ready",
        "libpq",
    ):
        assert text in shown
    assert '"unavailable"' not in shown
