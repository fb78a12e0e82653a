"""An operator's command as a process of its own: what it printed, and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.processes import PROCESSOR, WAIT_S_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on its standard output."""
        [line] = self.out.splitlines()
        return json.loads(line)


def command(env: Mapping[str, str], *arguments: str, program: Path = PROCESSOR) -> Done:
    """Run a program with these arguments, and nothing of the developer's own environment."""
    done = subprocess.run(
        [program, *arguments],
        env={"PATH": os.defpath, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * WAIT_S_MAX,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
