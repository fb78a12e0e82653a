"""`tcp-ingestion simulate` as a process of its own, and what it says was answered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.support.commands import Done
from tests.support.processes import WAIT_S_MAX

TCP_INGESTION = Path(sys.executable).with_name("tcp-ingestion")


def started(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start it."""
    return subprocess.Popen(
        [TCP_INGESTION, "simulate", *arguments],
        env={"PATH": os.defpath},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def simulate(*arguments: str | Path) -> Done:
    """Run it to its end."""
    process = started(*arguments)
    out, err = process.communicate(timeout=2 * WAIT_S_MAX)
    return Done(process.returncode, out, err)


def records(file: Path) -> Counter[tuple[str, str]]:
    """Device and time of each record in a file of `--answered` or `--sent`."""
    lines = map(json.loads, file.read_text().splitlines())
    return Counter((line["device_id"], line["ts"]) for line in lines)
