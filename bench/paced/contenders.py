"""The services that are compared at a pace, and what each needs before it can be started."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

OURS, GO, NODE, ASYNCIO = "processor", "Go", "Node", "asyncio"
CHECKOUT = Path(__file__).parents[2]
READY = b'"processor ready"'


@dataclass(frozen=True)
class Contender:
    """A service, how it is started, and its settings beside those that all have."""

    name: str
    title: str
    argv: Sequence[str | Path]
    settings: Mapping[str, str] = field(default_factory=dict)
    is_peer: bool = False


def processor(read_interval_ms: int | None = None) -> Contender:
    """`processor run` of this checkout; with defaults if no interval is given."""
    command = Path(sys.executable).parent / "processor"
    if not command.exists():
        raise BenchError(f"{command} is not there: make setup installs it")
    if read_interval_ms is None:
        return Contender(OURS, "this checkout", [command, "run"])
    setting = f"READ_INTERVAL_MS={read_interval_ms}"
    return Contender(
        f"{OURS}, {read_interval_ms} ms",
        f"this checkout, {setting}",
        [command, "run"],
        {"READ_INTERVAL_MS": str(read_interval_ms)},
    )


def other_processor(command: Path) -> Contender:
    """Another build of the processor, named after the directory of its checkout. Raises BenchError."""
    command = command.absolute()
    if not command.exists():
        raise BenchError(f"{command} is not there")
    # CHECKOUT/.venv/bin/processor
    checkout = command.parents[min(2, len(command.parents) - 1)]
    return Contender(f"{OURS} of {checkout.name}", str(command), [command, "run"])


def peers(progress: Callable[[str], None]) -> list[Contender]:
    """Those whose language is on this machine. Raises BenchError."""
    del progress
    return [_asyncio()]


def _asyncio() -> Contender:
    return Contender(
        ASYNCIO,
        "uvloop, redis.asyncio, hiredis, orjson, asyncpg",
        [sys.executable, "-m", "bench.asyncio_service"],
        {"PYTHONPATH": str(CHECKOUT)},
        is_peer=True,
    )
