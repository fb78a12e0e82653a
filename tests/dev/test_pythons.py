from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_version_that_is_not_installed_is_named_and_fails_nothing() -> None:
    ended = subprocess.run(
        ["sh", "dev/pythons", "3.98", "3.99"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (
        ended.stdout
        == "pythons: passed under: none; failed under: none; not installed: 3.98 3.99\n"
    )
