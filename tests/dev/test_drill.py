"""`make drill`: a drill on servers that it starts, with the given arguments."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
DRILL_BOUND_S = 120


@pytest.mark.parametrize("service", [[], ["tcp-ingestion"]])
def test_a_drill_runs_on_servers_that_are_started_for_it(service: list[str]) -> None:
    options = ["--rounds", "1", "--seed", "1", "--rate", "200", "--json"]
    drill = subprocess.run(
        [sys.executable, "-m", "dev.drill", *service, *options],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=DRILL_BOUND_S,
        check=False,
    )
    assert drill.returncode == 0, drill.stderr
    assert json.loads(drill.stdout)["rounds"] == 1
