"""The services that are compared, and what each needs before it can be started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

OURS, GO, NODE, ASYNCIO = "tcp-ingestion", "Go", "Node", "asyncio"
PEERS = Path(__file__).parent / "peers"
CHECKOUT = Path(__file__).parents[2]
CACHE = CHECKOUT / "target/bench"
"""What the peers' clients are fetched into and built in; git ignores it, `make clean` removes it."""
PEER_READY = b"peer ready"


@dataclass(frozen=True)
class Contender:
    """A service: how it is started, and the line by which it says that it listens."""

    name: str
    title: str
    argv: Sequence[str | Path]
    ready: bytes
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        """Whether it is tcp-ingestion itself."""
        return self.name == OURS


def ours() -> Contender:
    """`tcp-ingestion run` as it is deployed: limits, clocks, metrics and logs on."""
    command = Path(sys.executable).parent / "tcp-ingestion"
    if not command.exists():
        raise BenchError(f"{command} is not there: make setup installs it")
    return Contender(
        OURS,
        OURS,
        [command, "run"],
        b'"tcp-ingestion ready"',
        # Flat out, more frames are in flight than the default takes; no peer has a bound.
        {"PUBLISH_QUEUE_CAPACITY": "100000"},
    )


def peers(progress: Callable[[str], None]) -> list[Contender]:
    """Those whose language is on this machine. Fetches their clients and builds them. Raises BenchError."""
    found = [
        _peer(make, needs, progress)
        for make, needs in ((_go, ("go",)), (_node, ("node", "npm")), (_asyncio, ()))
    ]
    return [each for each in found if each is not None]


def _peer(
    make: Callable[[], Contender], needs: Sequence[str], progress: Callable[[str], None]
) -> Contender | None:
    for program in needs:
        if shutil.which(program) is None:
            progress(f"ingestion: {program} is not on this machine: its peer is left out")
            return None
    return make()


def _go() -> Contender:
    source, built = PEERS / "go", CACHE / "go-peer"
    environment = {
        **os.environ,
        "GOPATH": str(CACHE / "go"),
        # The lock file alone counts; the cache can be removed like any other directory.
        "GOFLAGS": "-mod=readonly -modcacherw -trimpath",
        "GOWORK": "off",
    }
    _run(["go", "build", "-o", built, "."], source, environment)
    version = _run(["go", "env", "GOVERSION"], source, environment)
    return Contender(GO, f"{version}, go-redis", [built], PEER_READY)


def _node() -> Contender:
    home = CACHE / "node"
    home.mkdir(parents=True, exist_ok=True)
    for file in (PEERS / "node").iterdir():
        shutil.copy(file, home)
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], home, dict(os.environ))
    version = _run(["node", "--version"], home, dict(os.environ))
    return Contender(NODE, f"node {version}, ioredis", ["node", home / "server.js"], PEER_READY)


def _asyncio() -> Contender:
    module = "bench.ingestion.peers.asyncio_service"
    title = "uvloop, redis.asyncio, hiredis"
    return Contender(ASYNCIO, title, [sys.executable, "-m", module], PEER_READY)


def _run(argv: Sequence[str | Path], directory: Path, environment: Mapping[str, str]) -> str:
    """What the command prints. Raises BenchError if it fails."""
    done = subprocess.run(
        argv, cwd=directory, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise BenchError(f"{' '.join(map(str, argv))} has failed:\n{done.stderr}")
    return done.stdout.strip()
