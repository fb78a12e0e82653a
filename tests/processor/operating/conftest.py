"""The command as a person runs it, and captures to feed it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from processor.cli import main
from tests.support.operators import Ended

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run `processor publish` with these arguments."""

    def run_command(*argv: str | Path) -> Ended:
        code = main(["publish", *map(str, argv)])
        return Ended(code, *capsys.readouterr())

    return run_command


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[str]]:
    """Start `processor publish` as a process of its own."""

    def start_command(
        *argv: str | Path, **options: Any
    ) -> subprocess.Popen[str]:  # as Popen takes them
        return subprocess.Popen(
            [sys.executable, "-m", "processor", "publish", *map(str, argv)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    return start_command


@pytest.fixture
def capture_of(tmp_path: Path) -> Callable[[Iterable[str]], Path]:
    """Write lines to a capture file."""

    def write(lines: Iterable[str]) -> Path:
        path = tmp_path / "capture.hex"
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    return write
