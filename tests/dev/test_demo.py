"""The demo as a person runs it: its figures are right, and it leaves nothing behind whenever it is stopped."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parents[2]
DEMO_BOUND_S = 120


@pytest.fixture
def temp_root() -> Iterator[Path]:
    """A TMPDIR for the demo alone, which an unprivileged PostgreSQL can reach."""
    root = Path(tempfile.mkdtemp(prefix="demo-test-"))
    root.chmod(0o755)
    yield root
    shutil.rmtree(root)
    # Neither caches nor settings of a library.
    home_of(root).rmdir()


def start_demo(temp_root: Path, output: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dev.demo", "--output", str(output), *arguments],
        cwd=CHECKOUT,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(temp_root), "HOME": str(home_of(temp_root))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def home_of(temp_root: Path) -> Path:
    """A home directory for the demo alone."""
    home = temp_root.with_name(f"{temp_root.name}-home")
    home.mkdir(exist_ok=True)
    return home


def left_behind(temp_root: Path) -> list[str]:
    """Files under `temp_root`, and processes that work there."""
    running = [
        " ".join(process.info["cmdline"])
        for process in psutil.process_iter(["cmdline"])
        if any(str(temp_root) in word for word in process.info["cmdline"] or ())
    ]
    return [*running, *(path.name for path in temp_root.iterdir())]


def test_the_demo_ends_with_the_truth_as_one_json_line(temp_root: Path, tmp_path: Path) -> None:
    demo = start_demo(temp_root, tmp_path, "--json")
    printed, errors = demo.communicate(timeout=DEMO_BOUND_S)
    assert demo.returncode == 0, errors
    summary = json.loads(printed)
    assert printed.count("\n") == 1
    assert summary.pop("seconds") > 0
    assert summary.pop("records_per_second") > 0
    assert summary == {
        "frames": 3208,
        "frames_answered": 3208,
        "records": 13732,
        "inserted": 12375,
        "duplicates": 1357,
        "rejected": 0,
        "lag": 0,
        "pending": 0,
    }
    assert left_behind(temp_root) == []
    assert f"less -S {tmp_path}/positions.csv" in errors, "commas in the attributes part no column"
    assert {path.name for path in tmp_path.iterdir()} == {
        "drive.png",
        "positions.csv",
        "processor.log",
        "tcp-ingestion.log",
    }


@pytest.mark.parametrize(
    ("moment", "exit_code"),
    [
        ("starting valkey", 130),
        ("starting PostgreSQL", 130),
        ("starting the processor", 130),
        ("starting tcp-ingestion", 130),
        ("sending", 130),
        ("Ctrl-C stops all of it", 0),
    ],
)
def test_the_demo_leaves_nothing_when_it_is_interrupted_at(
    moment: str, exit_code: int, temp_root: Path, tmp_path: Path
) -> None:
    demo = start_demo(temp_root, tmp_path, "--keep-running")
    assert demo.stderr is not None
    assert any(line.startswith(moment) for line in demo.stderr)
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=DEMO_BOUND_S)
    assert demo.returncode == exit_code
    assert left_behind(temp_root) == []
    assert not (tmp_path / "pgpass").exists()


def test_the_services_are_stopped_while_their_servers_are_still_there(
    temp_root: Path, tmp_path: Path
) -> None:
    demo = start_demo(temp_root, tmp_path, "--keep-running")
    assert demo.stderr is not None
    assert any(line.startswith("Ctrl-C") for line in demo.stderr)
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=DEMO_BOUND_S)
    for service in ("processor", "tcp-ingestion"):
        file = tmp_path / f"{service}.log"
        log = [json.loads(line) for line in file.read_text().splitlines()]
        messages = [entry["msg"] for entry in log]
        assert messages[-1].startswith("shutdown: clean exit")
        stop = next(n for n, said in enumerate(messages) if said.startswith("shutdown: starting"))
        assert {entry["level"] for entry in log[stop:]} <= {"debug", "info"}
