"""One contender at a time as a process of its own, and one run of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bench.cpu import family_cpu_s
from bench.measure import BenchError
from bench.paced.contenders import READY
from bench.paced.load import launch_load
from bench.paced.result import Run
from bench.paced.servers import STREAM
from dev.servers.errors import log_tail
from dev.servers.guarded import GuardedDirectory, guarded_directory
from dev.servers.ports import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.paced.contenders import Contender
    from bench.paced.result import PacedScale
    from bench.paced.servers import PacedServers

# Interpreters that compile as they go have done so, and PostgreSQL has its plans.
WARM_UP_PACE = 1_000
START_BOUND_S, SETTLE_BOUND_S, STOP_BOUND_S = 60.0, 60.0, 30.0
POLL_S = 0.01


@dataclass(frozen=True)
class Running:
    """A contender that reads."""

    contender: Contender
    process: subprocess.Popen[bytes]
    log: Path

    def cpu_s(self) -> float:
        """CPU time up to now, user and system, of the process and its children."""
        return family_cpu_s(self.process.pid)

    def resident_bytes(self) -> int:
        """Memory that is in RAM, children's too."""
        leader = psutil.Process(self.process.pid)
        return sum(each.memory_info().rss for each in (leader, *leader.children(recursive=True)))

    def wait(self, holds: Callable[[], bool], bound_s: float) -> None:
        """Return when it holds. Raises BenchError if the process ends before, or it takes too long."""
        deadline = time.monotonic() + bound_s
        while not holds():
            if (ended := self.process.poll() is not None) or time.monotonic() > deadline:
                what = "ended early" if ended else f"was not done in {bound_s:.0f} s"
                raise BenchError(
                    f"{self.contender.name} {what}; the end of its log:\n{log_tail(self.log)}"
                )
            time.sleep(POLL_S)


def run(contender: Contender, servers: PacedServers, pace: int, scale: PacedScale) -> Run:
    """Warm up, send at that pace, and measure. Raises BenchError if a record has not become a row."""
    servers.reset()
    with (
        running(contender, servers) as service,
        launch_load(servers.redis_server.admin_url, STREAM) as load,
    ):
        # All devices are known afterwards.
        warm_up = load.send(WARM_UP_PACE, scale.warm_up_s)
        service.wait(servers.settled, SETTLE_BOUND_S)
        servers.check_rows(contender.name, warm_up.records)
        cpu_s, servers_cpu = service.cpu_s(), servers.cpu()
        sent = load.send(pace, scale.seconds)
        service.wait(servers.settled, SETTLE_BOUND_S)
        cpu_s, servers_cpu = service.cpu_s() - cpu_s, servers.cpu() - servers_cpu
        resident_bytes = service.resident_bytes()
    servers.check_rows(contender.name, warm_up.records + sent.records)
    commits = servers.commits(sent)
    return Run(
        records=sent.records,
        cpu_s=cpu_s,
        redis_cpu_s=servers_cpu.redis_s,
        postgres_cpu_s=servers_cpu.postgres_s,
        p50_ms=commits.p50_ms,
        p99_ms=commits.p99_ms,
        commits=commits.transactions,
        resident_bytes=resident_bytes,
        late_p99_ms=sent.late_p99_ms,
    )


@contextlib.contextmanager
def running(contender: Contender, servers: PacedServers) -> Iterator[Running]:
    """Start it, return when it is ready, and stop it at the end. Raises BenchError."""
    with guarded_directory("bench-paced", last_signal=signal.SIGKILL) as directory:
        log = directory.path / "service.log"
        process = directory.spawn(
            contender.argv, log=log, env=_environment(contender, servers, directory)
        )
        service = Running(contender, process, log)
        service.wait(lambda: READY in log.read_bytes(), START_BOUND_S)
        yield service
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_BOUND_S)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{contender.name} has not ended: {log_tail(log)}") from None


def _environment(
    contender: Contender, servers: PacedServers, directory: GuardedDirectory
) -> dict[str, str]:
    redis_server = servers.redis_server
    return {
        "PATH": os.environ.get("PATH", ""),
        # The peers' clients ask for more when they connect than the service's user may.
        "REDIS_URL": redis_server.admin_url if contender.is_peer else redis_server.processor_url,
        "REDIS_TELEMETRY_STREAM": STREAM,
        "POSTGRES_URL": servers.database.processor_url,
        "INSTANCE_ID": "bench",
        "METRICS_HOST": HOST,
        "METRICS_PORT": str(free_port()),
        "PANIC_DUMP_DIR": str(directory.path),
        **contender.settings,
    }
