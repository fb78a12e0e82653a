"""End to end: a filled stream into an empty table, by the processor, an asyncio service and psql."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.ages import AGES, DAYS_STORED
from bench.cpu import process_cpu_s
from bench.entries import USUAL_FLEET, fleet_entries
from bench.measure import BenchError, Cost, interleave, summarise
from bench.psql_copy import copy_with_psql, write_rows_file
from bench.replies import STREAM
from bench.servers import BenchServers, ServersCpu, launch_servers
from dev.servers.errors import log_tail
from dev.servers.guarded import GuardedDirectory, guarded_directory
from dev.servers.ports import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.measure import Summary
    from dev.servers import Choice

CHECKOUT = Path(__file__).parents[1]
READY = b'"processor ready"'
READY_POLL_S = 0.001
SETTLED_POLL_S = 0.01
START_BOUND_S = 60.0
RUN_BOUND_S = 600.0
STOP_BOUND_S = 30.0
# WRITE_BATCH_SIZE: as many rows as the service sends in one COPY under load.
BATCH_ROWS = 20_000

ASYNCIO, COPY = "asyncio service", "psql \\copy"


def processor_name(writers: int) -> str:
    """How the results call the processor with that number of writers."""
    return f"processor, WRITERS={writers}"


@dataclass(frozen=True)
class Filling:
    """The load of the stream: the number of entries, and their `ages` in bench.ages.AGES."""

    entries: int
    ages: str = "live"

    @property
    def days_stored(self) -> int:
        """Days of which the table has a row before each run."""
        return DAYS_STORED.get(self.ages, 1)


@dataclass(frozen=True)
class Run:
    """One run: the cost of the process from its ready line on, and of its servers meanwhile."""

    cost: Cost
    servers: ServersCpu


@dataclass(frozen=True)
class RunSummary:
    """Medians of one contender's runs; the servers' CPU time with them."""

    cost: Summary
    redis_cpu_s: float
    postgres_cpu_s: float


@dataclass(frozen=True)
class ServiceResult:
    """All contenders' medians over `rounds` rounds of `entries` records of `ages`."""

    entries: int
    ages: str
    table: str
    rounds: int
    writers: tuple[int, ...]
    servers: str
    psql: str
    runs: Mapping[str, RunSummary]

    @property
    def times_less_cpu(self) -> float:
        """The headline: CPU time of the asyncio service by that of the processor with the fewest writers."""
        ours = self.runs[processor_name(self.writers[0])]
        return self.runs[ASYNCIO].cost.cpu_s / ours.cost.cpu_s

    def share_of_limit(self, name: str) -> float:
        r"""The throughput of `name` as a share of what \copy reaches."""
        return self.runs[COPY].cost.wall_s / self.runs[name].cost.wall_s


def run_service(
    *,
    filling: Filling,
    rounds: int,
    writers: Sequence[int],
    choice: Choice,
    progress: Callable[[str], None],
) -> ServiceResult:
    """Measure all contenders in turn. Raises BenchError when one of them loses or invents a row."""
    progress("service: starting Redis and PostgreSQL")
    with (
        launch_servers(choice) as servers,
        guarded_directory("bench", last_signal=signal.SIGTERM) as directory,
    ):
        rows_file = directory.path / "rows.copy"
        _prepare(servers, filling, rows_file, progress)
        psql = servers.postgres_server.bin_dir / "psql"
        contenders: dict[str, Callable[[], Run]] = {
            processor_name(count): _service(
                servers, directory, filling, ["processor", "run"], {"WRITERS": str(count)}
            )
            for count in writers
        }
        contenders[ASYNCIO] = _service(servers, directory, filling, ["bench.asyncio_service"], {})
        contenders[COPY] = lambda: _run_copy(servers, psql, rows_file, filling)
        progress("service: warming up")
        # The first run makes the log's files, which later ones use again.
        contenders[COPY]()
        runs = interleave(
            contenders,
            rounds=rounds,
            before_run=lambda number, name: progress(
                f"service: round {number} of {rounds}, {name}"
            ),
        )
        return ServiceResult(
            entries=filling.entries,
            ages=filling.ages,
            table=servers.table_kind,
            rounds=rounds,
            writers=tuple(writers),
            servers=f"{servers.redis_server.product} {servers.redis_server.version},"
            f" {servers.postgres_server.binaries}",
            psql=str(psql),
            runs={name: _summarise(kept) for name, kept in runs.items()},
        )


def _prepare(
    servers: BenchServers, filling: Filling, rows_file: Path, progress: Callable[[str], None]
) -> None:
    progress(f"service: making the entries, {filling.ages}")
    entries = list(fleet_entries(USUAL_FLEET, filling.entries, AGES[filling.ages]))
    progress(f"service: filling the stream with {len(entries):,} entries")
    servers.fill(entries)
    progress("service: writing the file for \\copy")
    write_rows_file(entries, batch_rows=BATCH_ROWS, file=rows_file)


def _summarise(runs: Sequence[Run]) -> RunSummary:
    return RunSummary(
        cost=summarise(run.cost for run in runs),
        redis_cpu_s=statistics.median(run.servers.redis_s for run in runs),
        postgres_cpu_s=statistics.median(run.servers.postgres_s for run in runs),
    )


def _run_copy(servers: BenchServers, psql: Path, rows_file: Path, filling: Filling) -> Run:
    servers.reset(filling.days_stored)
    cpu_before = servers.servers_cpu()
    cost = copy_with_psql(psql, servers.database.processor_url, rows_file)
    _check_rows(servers, COPY, filling.entries)
    return Run(cost, servers.servers_cpu() - cpu_before)


def _service(
    servers: BenchServers,
    directory: GuardedDirectory,
    filling: Filling,
    module: Sequence[str],
    settings: Mapping[str, str],
) -> Callable[[], Run]:
    def run() -> Run:
        servers.reset(filling.days_stored)
        log = directory.path / f"{module[0]}.log"
        log.unlink(missing_ok=True)
        process = directory.spawn(
            [sys.executable, "-m", *module],
            log=log,
            env=_environment(servers, directory, settings),
        )
        try:
            measured = _measure(servers, process, log)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_BOUND_S)
        _check_rows(servers, module[0], filling.entries)
        return measured

    return run


def _measure(servers: BenchServers, process: subprocess.Popen[bytes], log: Path) -> Run:
    """From the ready line until the group has nothing left to read or to ack."""
    _wait(lambda: READY in log.read_bytes(), READY_POLL_S, START_BOUND_S, process, log)
    wall_s, cpu_s, cpu_before = (
        time.perf_counter(),
        process_cpu_s(process.pid),
        servers.servers_cpu(),
    )
    _wait(servers.settled, SETTLED_POLL_S, RUN_BOUND_S, process, log)
    cost = Cost(cpu_s=process_cpu_s(process.pid) - cpu_s, wall_s=time.perf_counter() - wall_s)
    return Run(cost, servers.servers_cpu() - cpu_before)


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


def _check_rows(servers: BenchServers, name: str, entries: int) -> None:
    """Check that there is a row for each entry: every entry has its own key."""
    if (rows := servers.rows()) != entries:
        raise BenchError(f"{name} left {rows:,} rows of {entries:,} entries: nothing to compare")
