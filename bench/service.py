"""End to end: a filled stream into an empty table, by the processor, an asyncio service and psql."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.ages import AGES, DAYS_STORED
from bench.entries import USUAL_FLEET, first_of_each_key, fleet_entries
from bench.measure import BenchError, interleave
from bench.psql_copy import copy_with_psql, write_rows_file
from bench.runs import ASYNCIO_SERVICE, PROCESSOR, Run, run_once, summarise_runs
from bench.servers import BenchServers, launch_servers
from dev.servers.guarded import guarded_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bench.runs import RunSummary
    from dev.servers import Choice

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
    plain: bool = False
    """Into a plain table, also where the server has TimescaleDB."""

    @property
    def days_stored(self) -> int:
        """Days of which the table has a row before each run."""
        return DAYS_STORED.get(self.ages, 1)


@dataclass(frozen=True)
class ServiceResult:
    """All contenders' medians over `rounds` rounds of `entries` records of `ages`, with `keys` keys."""

    entries: int
    keys: int
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

    def records(self, name: str) -> int:
        r"""What `name` takes in: \copy is given each key once, since it would refuse a repeated one."""
        return self.keys if name == COPY else self.entries

    def records_per_second(self, name: str) -> float:
        """The throughput of `name`."""
        return self.records(name) / self.runs[name].cost.wall_s

    def share_of_limit(self, name: str) -> float:
        r"""The throughput of `name` as a share of what \copy reaches."""
        return self.records_per_second(name) / self.records_per_second(COPY)


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
        launch_servers(choice, plain=filling.plain) as servers,
        guarded_directory("bench", last_signal=signal.SIGTERM) as directory,
    ):
        rows_file = directory.path / "rows.copy"
        keys = _prepare(servers, filling, rows_file, progress)
        psql = servers.postgres_server.bin_dir / "psql"

        def service(module: Sequence[str], settings: Mapping[str, str]) -> Callable[[], Run]:
            def run() -> Run:
                servers.reset(filling.days_stored)
                measured = run_once(servers, directory, module, settings)
                check_rows(servers, module[0], keys)
                return measured

            return run

        contenders: dict[str, Callable[[], Run]] = {
            processor_name(count): service(PROCESSOR, {"WRITERS": str(count)}) for count in writers
        }
        contenders[ASYNCIO] = service(ASYNCIO_SERVICE, {})
        contenders[COPY] = lambda: run_copy(servers, rows_file, filling.days_stored, keys)
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
            keys=keys,
            ages=filling.ages,
            table=servers.table_kind,
            rounds=rounds,
            writers=tuple(writers),
            servers=str(servers),
            psql=str(psql),
            runs={name: summarise_runs(kept) for name, kept in runs.items()},
        )


def _prepare(
    servers: BenchServers, filling: Filling, rows_file: Path, progress: Callable[[str], None]
) -> int:
    """Fill the stream, and the file with the first record of each key; the number of keys."""
    progress(f"service: making the entries, {filling.ages}")
    entries = list(fleet_entries(USUAL_FLEET, filling.entries, AGES[filling.ages]))
    progress(f"service: filling the stream with {len(entries):,} entries")
    servers.fill(entries)
    progress("service: writing the file for \\copy")
    first = first_of_each_key(entries)
    write_rows_file(first, batch_rows=BATCH_ROWS, file=rows_file)
    return len(first)


def run_copy(servers: BenchServers, rows_file: Path, days_stored: int, keys: int) -> Run:
    r"""One \copy of the file into the emptied table. Raises BenchError."""
    servers.reset(days_stored)
    cpu_before = servers.servers_cpu()
    psql = servers.postgres_server.bin_dir / "psql"
    cost = copy_with_psql(psql, servers.database.processor_url, rows_file)
    check_rows(servers, COPY, keys)
    return Run(cost, servers.servers_cpu() - cpu_before)


def check_rows(servers: BenchServers, name: str, keys: int) -> None:
    """Check that there is a row for each key. Raises BenchError."""
    if (rows := servers.rows()) != keys:
        raise BenchError(f"{name} left {rows:,} rows of {keys:,} keys: nothing to compare")
