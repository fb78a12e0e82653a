"""The command as a person meets it, and captures to feed it."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from processor.cli import publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


def main(argv: list[str]) -> int:
    """Parse and run a command line; the exit code."""
    parser = argparse.ArgumentParser(prog="processor")
    publish.add_parser(parser.add_subparsers(required=True))
    arguments = parser.parse_args(["publish", *argv])
    code: int = arguments.command(arguments)
    return code


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run `processor publish` with these arguments."""

    def run_command(*argv: str | Path) -> Ended:
        try:
            code = main([str(word) for word in argv])
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        return Ended(code, *capsys.readouterr())

    return run_command


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[str]]:
    """Start `processor publish` as a process of its own."""
    program = (
        "import argparse, sys; from processor.cli import publish;"
        "parser = argparse.ArgumentParser();"
        "publish.add_parser(parser.add_subparsers());"
        "arguments = parser.parse_args(['publish', *sys.argv[1:]]);"
        "sys.exit(arguments.command(arguments))"
    )

    def start_command(
        *argv: str | Path, **options: Any
    ) -> subprocess.Popen[str]:  # as Popen takes them
        return subprocess.Popen(
            [sys.executable, "-c", program, *map(str, argv)],
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
