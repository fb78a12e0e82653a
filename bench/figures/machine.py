"""Where and with what the figures were measured: no names of hosts, no paths."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg

from dev.servers import find_postgres, find_redis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.figures.part import Json
    from dev.servers import Choice

CHECKOUT = Path(__file__).parents[2]
# Written by the measuring itself.
OUTPUT = "docs/benchmarks"
PACKAGES = ("psycopg", "trio", "redis", "hiredis", "orjson", "asyncpg", "uvloop")
CPU_MODEL = re.compile(r"^model name\s*: (.+)$", re.MULTILINE)
GO_REQUIREMENT = re.compile(r"^(?:require )?\s*(\S+/\S+) (v\S+)$", re.MULTILINE)


def surroundings(choice: Choice) -> Json:
    """Date, commit, machine and versions."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "machine": _machine(),
        "versions": dict(_versions(choice)),
    }


def _commit() -> str:
    head = _first_line(["git", "rev-parse", "--short", "HEAD"])
    changed = _first_line(["git", "status", "--porcelain", "--", ".", f":!{OUTPUT}"])
    return f"{head} and changes" if changed else head or "unknown"


def _machine() -> Json:
    model = CPU_MODEL.search(Path("/proc/cpuinfo").read_text())
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "kernel": f"{platform.system()} {platform.release()}",
        "cpu": model[1].strip() if model else platform.machine(),
    }


def _versions(choice: Choice) -> Iterator[tuple[str, str]]:
    redis_server, postgres = find_redis(choice), find_postgres(choice)
    yield "Python", platform.python_version()
    yield "Rust", _first_line(["rustc", "--version"]).removeprefix("rustc ")
    yield redis_server.product, redis_server.version
    yield "PostgreSQL", postgres.version
    yield "TimescaleDB", postgres.timescaledb or "not installed"
    libpq = psycopg.pq.version()
    yield "libpq", f"{libpq // 10000}.{libpq % 10000}"
    yield from ((name, version(name)) for name in PACKAGES)
    yield from _peers()


def _peers() -> Iterator[tuple[str, str]]:
    """Go, Node and their clients, as the peers pin them."""
    if shutil.which("go"):
        yield "Go", _first_line(["go", "env", "GOVERSION"]).removeprefix("go")
        for file in sorted(CHECKOUT.glob("bench/**/go.mod")):
            for module, pinned in GO_REQUIREMENT.findall(file.read_text()):
                if not module.startswith("golang.org/"):
                    yield module.removeprefix("github.com/"), pinned.removeprefix("v")
    if shutil.which("node"):
        yield "Node", _first_line(["node", "--version"]).removeprefix("v")
        for file in sorted(CHECKOUT.glob("bench/**/package-lock.json")):
            packages = json.loads(file.read_text())["packages"]
            for name in packages[""].get("dependencies", ()):
                yield name, packages[f"node_modules/{name}"]["version"]


def _first_line(argv: Sequence[str]) -> str:
    """What the command prints first; empty where there is no such command."""
    if shutil.which(argv[0]) is None:
        return ""
    done = subprocess.run(argv, cwd=CHECKOUT, check=False, capture_output=True, text=True)
    return done.stdout.partition("\n")[0].strip()
