"""One run of a service that works off a filled stream: what it cost, its memory, and when it was ready."""

from __future__ import annotations

import os
import re
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cpu import process_cpu_s
from bench.measure import BenchError, Cost, summarise
from bench.replies import STREAM
from bench.servers import BenchServers, ServersCpu
from dev.servers.errors import log_tail
from dev.servers.ports import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.measure import Summary
    from dev.servers.guarded import GuardedDirectory

CHECKOUT = Path(__file__).parents[1]
PROCESSOR, ASYNCIO_SERVICE = ("processor", "run"), ("bench.asyncio_service",)
READY = b'"processor ready"'
READY_POLL_S = 0.001
# From the ready line of a service that has no records, until it is at rest.
AT_REST_S = 5.0
SETTLED_POLL_S = 0.01
START_BOUND_S = 60.0
RUN_BOUND_S = 600.0
STOP_BOUND_S = 30.0
PEAK_MEMORY = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """One run: the cost of the process from its ready line on, and of its servers meanwhile."""

    cost: Cost
    servers: ServersCpu
    ready_s: float = 0.0
    """From the start of the process to its ready line; 0 for what has none."""
    peak_bytes: int = 0
    """The most resident memory that it ever had; 0 where that was not measured."""


@dataclass(frozen=True)
class RunSummary:
    """Medians of one contender's runs; the servers' CPU time with them."""

    cost: Summary
    redis_cpu_s: float
    postgres_cpu_s: float
    ready_s: float
    peak_bytes: float


def summarise_runs(runs: Sequence[Run]) -> RunSummary:
    """The medians. `runs` holds one at least."""
    return RunSummary(
        cost=summarise(run.cost for run in runs),
        redis_cpu_s=statistics.median(run.servers.redis_s for run in runs),
        postgres_cpu_s=statistics.median(run.servers.postgres_s for run in runs),
        ready_s=statistics.median(run.ready_s for run in runs),
        peak_bytes=statistics.median(run.peak_bytes for run in runs),
    )


def run_once(
    servers: BenchServers,
    directory: GuardedDirectory,
    module: Sequence[str],
    settings: Mapping[str, str],
    *,
    idle_s: float = 0.0,
) -> Run:
    """Start a service and end it when the group has nothing left to read or to ack.

    With `idle_s` it then rests, and the cost is that of these seconds without a record.
    """
    log = directory.path / f"{module[0]}.log"
    log.unlink(missing_ok=True)
    started_s = time.perf_counter()
    process = directory.spawn(
        [sys.executable, "-m", *module],
        log=log,
        env=_environment(servers, directory, settings),
    )
    try:
        _wait(lambda: READY in log.read_bytes(), READY_POLL_S, START_BOUND_S, process, log)
        ready_s = began_s = time.perf_counter()
        cpu_s, cpu_before = process_cpu_s(process.pid), servers.servers_cpu()
        _wait(servers.settled, SETTLED_POLL_S, RUN_BOUND_S, process, log)
        if idle_s:
            # What comes with the start is over by then, such as the first look at each server.
            time.sleep(AT_REST_S)
            began_s = time.perf_counter()
            cpu_s, cpu_before = process_cpu_s(process.pid), servers.servers_cpu()
            time.sleep(idle_s)
        cost = Cost(cpu_s=process_cpu_s(process.pid) - cpu_s, wall_s=time.perf_counter() - began_s)
        return Run(
            cost,
            servers.servers_cpu() - cpu_before,
            ready_s=ready_s - started_s,
            peak_bytes=_peak_bytes(process.pid),
        )
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_BOUND_S)


def _peak_bytes(pid: int) -> int:
    found = PEAK_MEMORY.search(Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def _wait(
    done: Callable[[], bool],
    poll_s: float,
    bound_s: float,
    process: subprocess.Popen[bytes],
    log: Path,
) -> None:
    deadline = time.monotonic() + bound_s
    while not done():
        if process.poll() is not None:
            raise BenchError(f"{process.args!r} ended early; the end of its log:\n{log_tail(log)}")
        if time.monotonic() > deadline:
            raise BenchError(f"not done in {bound_s:.0f} s; the end of the log:\n{log_tail(log)}")
        time.sleep(poll_s)


def _environment(
    servers: BenchServers, directory: GuardedDirectory, settings: Mapping[str, str]
) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(CHECKOUT),
        "REDIS_URL": servers.redis_server.processor_url,
        "REDIS_TELEMETRY_STREAM": STREAM,
        "POSTGRES_URL": servers.database.processor_url,
        "INSTANCE_ID": "bench",
        "METRICS_HOST": HOST,
        "METRICS_PORT": str(free_port()),
        "PANIC_DUMP_DIR": str(directory.path),
        **settings,
    }
