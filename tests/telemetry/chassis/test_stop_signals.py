"""Stop signals are held before anything else is loaded."""

from __future__ import annotations

import subprocess
import sys

from tests.tidy.source import ROOT

PROGRAM = """
import os, signal, sys
from telemetry.chassis import stop_signals
stop_signals.hold()
os.kill(os.getpid(), signal.SIGTERM)
sys.exit("trio" in sys.modules or 7)
"""


def test_signals_are_held_without_loading_trio() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == 7
