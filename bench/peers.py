"""Peers in other languages: their clients are pinned by lock files, and fetched and built under `target/bench`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bench.measure import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")

CACHE = Path(__file__).parents[1] / "target/bench"
"""Git ignores it, `make clean` removes it."""


def where_installed(
    makers: Sequence[tuple[Callable[[], T], Sequence[str]]], progress: Callable[[str], None]
) -> list[T]:
    """What the makers make whose programs are on this machine; says which are left out."""
    made = []
    for make, programs in makers:
        missing = [program for program in programs if shutil.which(program) is None]
        for program in missing:
            progress(f"{program} is not on this machine: its peer is left out")
        if not missing:
            made.append(make())
    return made


def build_go(source: Path, name: str) -> tuple[Path, str]:
    """The program, and the compiler's version. Raises BenchError."""
    built = CACHE / name
    environment = {
        **os.environ,
        "GOPATH": str(CACHE / "go"),
        # The lock file alone counts; the cache can be removed like any other directory.
        "GOFLAGS": "-mod=readonly -modcacherw -trimpath",
        "GOWORK": "off",
    }
    _run(["go", "build", "-o", built, "."], source, environment)
    return built, _run(["go", "env", "GOVERSION"], source, environment)


def install_node(source: Path, name: str) -> tuple[Path, str]:
    """The directory with the program and its modules, and node's version. Raises BenchError."""
    home = CACHE / name
    home.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        shutil.copy(file, home)
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], home, os.environ)
    return home, _run(["node", "--version"], home, os.environ)


def _run(argv: Sequence[str | Path], directory: Path, environment: Mapping[str, str]) -> str:
    """What the command prints. Raises BenchError if it fails."""
    done = subprocess.run(
        argv, cwd=directory, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise BenchError(f"{' '.join(map(str, argv))} has failed:\n{done.stderr}")
    return done.stdout.strip()
