"""Tests can interrupt what they start, also in a run behind a script's `&`, which ignores SIGINT."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
# A child as a test starts it says what SIGINT does to it.
SCRIPT = """
import subprocess, sys
from tests.conftest import heed_interrupts
ask = [sys.executable, "-c", "import signal; print(signal.getsignal(signal.SIGINT))"]
subprocess.run(ask)
heed_interrupts()
subprocess.run(ask)
"""


def test_what_a_test_starts_can_be_interrupted_though_the_run_itself_ignores_it() -> None:
    before, after = subprocess.run(
        ["env", "--ignore-signal=INT", sys.executable, "-c", SCRIPT],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert before == "1" or "SIG_IGN" in before
    assert "default_int_handler" in after
