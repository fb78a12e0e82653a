"""One Redis for all runs, and one contender at a time beside it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import redis

from bench.cpu import process_cpu_s
from bench.measure import BenchError
from dev.servers import find_redis, launch_redis
from dev.servers.errors import log_tail
from dev.servers.guarded import GuardedDirectory, guarded_directory
from dev.servers.polling import poll
from dev.servers.ports import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.ingestion.contenders import Contender
    from dev.servers import Choice, RedisServer

CHECKOUT = Path(__file__).parents[2]
STREAM = "telemetry:bench"
# About so many entries are kept, so that memory stays the same however long it takes; all that were added are counted.
ENTRIES_MAX = 100_000
# The append-only file is written as deployed, and rewritten between runs alone.
REDIS_ARGUMENTS = ("--auto-aof-rewrite-percentage", "0")
START_BOUND_S = 60.0
START_POLL_S = 0.005
STOP_BOUND_S = 60.0


@dataclass(frozen=True)
class BenchRedis:
    """The server of the stream."""

    server: RedisServer
    _client: redis.Redis

    def reset(self) -> None:
        """Remove all, and have the append-only file hold no more than that."""
        self._client.flushall()
        self._client.bgrewriteaof()
        poll(self._is_at_rest, "the append-only file is rewritten")

    def entries_added(self) -> int:
        """Entries that the stream has been given since the last reset, trimmed ones included."""
        if not self._client.exists(STREAM):
            return 0
        return int(self._client.xinfo_stream(STREAM)["entries-added"])

    def cpu_s(self) -> float:
        """CPU time of the server up to now."""
        return process_cpu_s(self.server.process.pid)

    def _is_at_rest(self) -> bool:
        state = self._client.info("persistence")
        return not (state["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"])


@contextlib.contextmanager
def launch_bench_redis(choice: Choice) -> Iterator[BenchRedis]:
    """Start it, with its append-only file synced every second. Raises ServerError."""
    binary = find_redis(choice)
    with (
        launch_redis(binary, durable=True, extra_args=REDIS_ARGUMENTS) as server,
        contextlib.closing(redis.Redis.from_url(server.admin_url, protocol=2)) as client,
    ):
        yield BenchRedis(server, client)


@dataclass(frozen=True)
class Running:
    """A contender that listens."""

    contender: Contender
    port: int
    metrics_port: int
    process: subprocess.Popen[bytes]
    log: Path

    def cpu_s(self) -> float:
        """Its CPU time up to now, user and system, all threads."""
        return process_cpu_s(self.process.pid)

    def resident_bytes(self) -> int:
        """Its memory that is in RAM."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def scrape(self) -> None:
        """Read the metrics once, as a monitoring system does every few seconds. The peers have none."""
        if self.contender.is_ours:
            with urllib.request.urlopen(
                f"http://{HOST}:{self.metrics_port}/metrics"
            ) as reply:  # http
                reply.read()

    def stop(self) -> int:
        """Ask it to end; its exit code. Raises BenchError if it does not."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_BOUND_S)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{self.contender.name} has not ended: {log_tail(self.log)}") from None


@contextlib.contextmanager
def running(contender: Contender, redis_server: BenchRedis) -> Iterator[Running]:
    """Start it on an empty Redis, and stop it at the end. Raises BenchError if it does not listen."""
    redis_server.reset()
    with guarded_directory("bench-ingestion", last_signal=signal.SIGKILL) as directory:
        port, metrics_port = free_port(), free_port()
        log = directory.path / "service.log"
        process = directory.spawn(
            contender.argv,
            log=log,
            env=_environment(contender, redis_server, directory, port, metrics_port),
        )
        started = Running(contender, port, metrics_port, process, log)
        _wait_until_ready(started)
        try:
            yield started
        finally:
            if process.poll() is None:
                started.stop()


def _wait_until_ready(started: Running) -> None:
    deadline = time.monotonic() + START_BOUND_S
    while started.contender.ready not in started.log.read_bytes():
        if started.process.poll() is not None or time.monotonic() > deadline:
            raise BenchError(
                f"{started.contender.name} does not listen; the end of its log:\n{log_tail(started.log)}"
            )
        time.sleep(START_POLL_S)


def _environment(
    contender: Contender,
    redis_server: BenchRedis,
    directory: GuardedDirectory,
    port: int,
    metrics_port: int,
) -> dict[str, str]:
    server = redis_server.server
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(CHECKOUT),
        # A user that may only do what the service has to; the peers' clients ask for more when they connect.
        "REDIS_URL": server.ingestion_url if contender.is_ours else server.admin_url,
        "REDIS_TELEMETRY_STREAM": STREAM,
        "REDIS_STREAM_MAXLEN": str(ENTRIES_MAX),
        "TELTONIKA_HOST": HOST,
        "TELTONIKA_PORT": str(port),
        "METRICS_HOST": HOST,
        "METRICS_PORT": str(metrics_port),
        "PANIC_DUMP_DIR": str(directory.path),
        "INSTANCE_ID": "bench",
        **contender.settings,
    }
