"""The services that are compared, and what each needs before it can be started."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import BenchError
from bench.peers import build_go, install_node, where_installed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

OURS, GO, NODE, ASYNCIO = "tcp-ingestion", "Go", "Node", "asyncio"
PEERS = Path(__file__).parent / "peers"
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
    return where_installed(
        [(_go, ("go",)), (_node, ("node", "npm")), (_asyncio, ())],
        lambda text: progress(f"ingestion: {text}"),
    )


def _go() -> Contender:
    built, version = build_go(PEERS / "go", "go-peer")
    return Contender(GO, f"{version}, go-redis", [built], PEER_READY)


def _node() -> Contender:
    home, version = install_node(PEERS / "node", "node")
    return Contender(NODE, f"node {version}, ioredis", ["node", home / "server.js"], PEER_READY)


def _asyncio() -> Contender:
    module = "bench.ingestion.peers.asyncio_service"
    title = "uvloop, redis.asyncio, hiredis"
    return Contender(ASYNCIO, title, [sys.executable, "-m", module], PEER_READY)
