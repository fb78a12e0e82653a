"""`make drill`: a drill on servers that it starts, with the given arguments."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
DRILL_BOUND_S = 120


def test_a_drill_runs_on_servers_that_are_started_for_it() -> None:
    drill = subprocess.run(
        [sys.executable, "-m", "dev.drill", "--rounds", "1", "--seed", "1", "--rate", "200", "--json"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=DRILL_BOUND_S,
        check=False,
    )  # fmt: skip
    assert drill.returncode == 0, drill.stderr
    assert json.loads(drill.stdout)["rounds"] == 1
