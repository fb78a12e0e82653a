"""The producer's process, seen from the benchmark."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bench.measure import BenchError
from bench.paced.producer import Sent

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parents[2]
STOP_BOUND_S = 10.0


@dataclass(frozen=True)
class Load:
    """Devices that send when they are asked to."""

    _orders: IO[str]
    _answers: IO[str]

    def send(self, pace: int, seconds: float) -> Sent:
        """Send at that pace for so long. Raises BenchError if an entry was not taken."""
        self._orders.write(json.dumps({"pace": pace, "seconds": seconds}) + "\n")
        self._orders.flush()
        if not (line := self._answers.readline()):
            raise BenchError("the producer has ended early; its error is above")
        return Sent(**json.loads(line))


@contextlib.contextmanager
def launch_load(redis_url: str, stream: str) -> Iterator[Load]:
    """Start it, and return when it is ready. Raises BenchError."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.paced.producer"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(CHECKOUT),
            "REDIS_URL": redis_url,
            "REDIS_TELEMETRY_STREAM": stream,
        },
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if process.stdout.readline() != "ready\n":
            raise BenchError("the producer does not start; its error is above")
        yield Load(process.stdin, process.stdout)
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(STOP_BOUND_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
