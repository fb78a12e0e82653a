"""The first line of a run of the tests: servers, Python, and what is left out."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

from dev.servers.programs import PACKAGES

CHECKOUT = Path(__file__).parents[2]


def first_line(*arguments: str) -> str:
    """The first line of a run that collects one small file."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", *arguments, "tests/dev/test_locks.py"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    )
    return run.stdout.splitlines()[0]


def makefile_runs(target: str) -> str:
    """The arguments of pytest in a target of the Makefile."""
    recipe = (CHECKOUT / "Makefile").read_text().partition(f"\n{target}: ")[2].partition("\n\n")[0]
    return recipe.partition("-m pytest")[2].partition("$(ARGS)")[0].strip()


def test_make_test_names_in_its_first_line_what_it_leaves_out() -> None:
    assert makefile_runs("test") == '-m "not deployment"'
    line = first_line("-m", "not deployment")
    assert line.startswith("servers: ")
    assert f"Python {platform.python_version()}" in line
    _, _, left_out = line.partition("left out: ")
    assert all(program in left_out for program in PACKAGES)
    assert "make test-all" in left_out


def test_a_run_of_everything_leaves_nothing_out() -> None:
    assert makefile_runs("test-all") == ""
    assert "left out" not in first_line()
