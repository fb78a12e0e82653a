"""Operators' commands as tests run them: in this process, where nothing depends on it being another one."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from processor.cli import main
from tests.support.processes import PROCESSOR

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output, which is one JSON object."""
        [line] = self.out.splitlines()
        value: dict[str, Any] = json.loads(line)
        return value

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Commands:
    """Runs `processor COMMAND` with an environment of the test's own."""

    def __init__(
        self,
        environment: Mapping[str, str],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.environment = dict(environment)
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str, **changes: str) -> Ended:
        """Run it here; keywords are changes of the environment."""
        with self._monkeypatch.context() as patched:
            for name, value in (self.environment | changes).items():
                patched.setenv(name, value)
            code = main(arguments)
        return Ended(code, *self._capsys.readouterr())

    def in_shell(self, line: str) -> Ended:
        """Run a line as somebody types it, in a process of its own."""
        path = f"{PROCESSOR.parent}:/usr/bin:/bin"
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            env={**self.environment, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start it as a process of its own; options as Popen takes them."""
        return subprocess.Popen(
            [PROCESSOR, *arguments],
            env={**self.environment, "PATH": "/usr/bin:/bin", **options.pop("env", {})},
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )
