"""The services that are compared at a pace, and what each needs before it can be started."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import BenchError
from bench.peers import build_go, install_node, where_installed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

OURS, GO, NODE, ASYNCIO = "processor", "Go", "Node", "asyncio"
CHECKOUT = Path(__file__).parents[2]
PEERS = Path(__file__).parent / "peers"
INTERVAL = "READ_INTERVAL_MS"
READY = b'"processor ready"'


@dataclass(frozen=True)
class Contender:
    """A service, how it is started, and its settings beside those that all have."""

    name: str
    title: str
    argv: Sequence[str | Path]
    settings: Mapping[str, str] = field(default_factory=dict)
    is_peer: bool = False

    def with_interval(self, read_interval_ms: int) -> Contender:
        """The same with pauses between its reads; the peer in Go can have them, too."""
        setting = {INTERVAL: str(read_interval_ms)}
        return replace(
            self,
            name=f"{self.name}, {read_interval_ms} ms",
            title=f"{self.title}, {INTERVAL}={read_interval_ms}",
            settings={**self.settings, **setting},
        )

    @property
    def is_rival(self) -> bool:
        """Whether the targets are about it: a peer in its own form, which is the quickest."""
        return self.is_peer and INTERVAL not in self.settings


def processor(read_interval_ms: int | None = None) -> Contender:
    """`processor run` of this checkout; with defaults if no interval is given."""
    command = Path(sys.executable).parent / "processor"
    if not command.exists():
        raise BenchError(f"{command} is not there: make setup installs it")
    ours = Contender(OURS, "this checkout", [command, "run"])
    return ours if read_interval_ms is None else ours.with_interval(read_interval_ms)


def other_processor(command: Path) -> Contender:
    """Another build of the processor, named after the directory of its checkout. Raises BenchError."""
    command = command.absolute()
    if not command.exists():
        raise BenchError(f"{command} is not there")
    # CHECKOUT/.venv/bin/processor
    checkout = command.parents[min(2, len(command.parents) - 1)]
    return Contender(f"{OURS} of {checkout.name}", str(command), [command, "run"])


def peers(progress: Callable[[str], None]) -> list[Contender]:
    """Those whose language is on this machine. Fetches their clients and builds them. Raises BenchError."""
    return where_installed(
        [(_go, ("go",)), (_node, ("node", "npm")), (_asyncio, ())],
        lambda text: progress(f"paced: {text}"),
    )


def _go() -> Contender:
    built, version = build_go(PEERS / "go", "go-paced-peer")
    # One loop has work for one processor; more would look for some.
    return Contender(
        GO, f"{version}, go-redis, gjson, pgx", [built], {"GOMAXPROCS": "1"}, is_peer=True
    )


def _node() -> Contender:
    home, version = install_node(PEERS / "node", "node-paced-peer")
    return Contender(NODE, f"node {version}, ioredis, pg", ["node", home / "peer.js"], is_peer=True)


def _asyncio() -> Contender:
    return Contender(
        ASYNCIO,
        "uvloop, redis.asyncio, hiredis, orjson, asyncpg",
        [sys.executable, "-m", "bench.asyncio_service"],
        {"PYTHONPATH": str(CHECKOUT)},
        is_peer=True,
    )
