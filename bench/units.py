"""`python -m bench.units`: what one record costs each part in CPU time and bytes, the units of docs/scaling.md."""

from __future__ import annotations

import argparse
import contextlib
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import redis
from rich.console import Console

from bench.entries import USUAL_FLEET, fleet_entries
from bench.runs import PROCESSOR, run_once
from bench.servers import HYPERTABLE, launch_servers
from bench.service import check_rows
from bench.tabular import new_table
from dev.servers import Choice
from dev.servers.guarded import guarded_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.servers import BenchServers
    from dev.servers.guarded import GuardedDirectory

ENTRIES = 100_000
CPU, BYTES = "µs", "bytes"
# The table itself, and its chunks where it has some.
SIZES = """
    SELECT sum(pg_table_size(oid)), sum(pg_indexes_size(oid)) FROM pg_class
    WHERE oid = 'positions'::regclass
       OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'positions'::regclass)
"""
COLUMNSTORE = """
    ALTER TABLE positions SET (
        timescaledb.compress, timescaledb.compress_segmentby = 'device_id', timescaledb.compress_orderby = 'ts'
    )
"""


@dataclass(frozen=True)
class Unit:
    """What one record costs: `value` in CPU or BYTES."""

    part: str
    what: str
    kind: str
    value: float


@dataclass(frozen=True)
class _Measuring:
    """The servers, and what they have used so far."""

    servers: BenchServers
    redis: redis.Redis
    postgres: psycopg.Connection
    directory: GuardedDirectory
    records: int

    def used(self) -> dict[str, float]:
        cpu, info = self.servers.servers_cpu(), self.redis.info()
        return {
            "redis": cpu.redis_s * 1e6,
            "postgres": cpu.postgres_s * 1e6,
            "memory": info["used_memory"],
            "aof": info["aof_current_size"],
            "in": info["total_net_input_bytes"],
            "out": info["total_net_output_bytes"],
            "wal": self.asked("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")[0],
        }

    def used_since(self, before: dict[str, float]) -> dict[str, float]:
        """A record."""
        return {name: (value - before[name]) / self.records for name, value in self.used().items()}

    def asked(self, query: str) -> list[float]:
        row = self.postgres.execute(query).fetchone()
        assert row is not None
        return [float(value) for value in row]

    def worked_off(self) -> dict[str, float]:
        """What a record costs from the stream to the acknowledged row. Raises BenchError."""
        self.servers.reset()
        before = self.used()
        run = run_once(self.servers, self.directory, PROCESSOR, {})
        used = self.used_since(before)
        check_rows(self.servers, PROCESSOR[0], self.records)
        # CPU time from the run itself: a session that has ended is counted late, and in steps of 10 ms.
        cpu = {
            "processor": run.cost.cpu_s,
            "redis": run.servers.redis_s,
            "postgres": run.servers.postgres_s,
        }
        return {**used, **{name: spent_s / self.records * 1e6 for name, spent_s in cpu.items()}}


def measure_units(records: int, choice: Choice) -> list[Unit]:
    """Fill a stream, work it off twice, and convert the chunk. Raises BenchError or ServerError."""
    with (
        launch_servers(choice, durable=True) as servers,
        contextlib.closing(
            redis.Redis.from_url(servers.redis_server.admin_url, protocol=2)
        ) as client,
        psycopg.connect(servers.database.admin_url, autocommit=True) as connection,
        guarded_directory("bench", last_signal=signal.SIGTERM) as directory,
    ):
        return [*_units(_Measuring(servers, client, connection, directory, records))]


def _units(measuring: _Measuring) -> Iterator[Unit]:
    entries = [*fleet_entries(USUAL_FLEET, measuring.records)]
    before = measuring.used()
    measuring.servers.fill(entries)
    filled = measuring.used_since(before)
    yield Unit("Redis", "XADD, append-only file", CPU, filled["redis"])
    yield Unit("Redis", "memory of an entry", BYTES, filled["memory"])
    yield Unit("Redis", "append-only file, XADD", BYTES, filled["aof"])
    yield Unit("Redis", "received, XADD", BYTES, filled["in"])

    worked = measuring.worked_off()
    yield Unit("Redis", "read and acknowledge, append-only file", CPU, worked["redis"])
    yield Unit("Redis", "append-only file, read and acknowledge", BYTES, worked["aof"])
    yield Unit("Redis", "sent to the processor", BYTES, worked["out"])
    yield Unit("processor", "full batches", CPU, worked["processor"])
    yield Unit("PostgreSQL", "COPY, three indexes", CPU, worked["postgres"])
    yield Unit("PostgreSQL", "WAL, three indexes", BYTES, worked["wal"])
    table, indexes = (size / measuring.records for size in measuring.asked(SIZES))
    yield Unit("PostgreSQL", "row", BYTES, table)
    yield Unit("PostgreSQL", "its three indexes", BYTES, indexes)

    measuring.postgres.execute("DROP INDEX positions_ts, positions_faulty_idx")
    alone = measuring.worked_off()
    yield Unit("PostgreSQL", "COPY, unique index alone", CPU, alone["postgres"])
    yield Unit("PostgreSQL", "WAL, unique index alone", BYTES, alone["wal"])
    if measuring.servers.table_kind == HYPERTABLE:
        yield from _columnstore(measuring)


def _columnstore(measuring: _Measuring) -> Iterator[Unit]:
    measuring.postgres.execute(COLUMNSTORE)
    before = measuring.used()
    measuring.postgres.execute("SELECT compress_chunk(chunk) FROM show_chunks('positions') chunk")
    used = measuring.used_since(before)
    [size] = measuring.asked("SELECT hypertable_size('positions')")
    yield Unit("TimescaleDB", "conversion to the columnstore", CPU, used["postgres"])
    yield Unit("TimescaleDB", "WAL of the conversion", BYTES, used["wal"])
    yield Unit("TimescaleDB", "row in the columnstore", BYTES, size / measuring.records)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="bench.units", description=__doc__)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    parser.add_argument("--servers", choices=[each.value for each in Choice], default=Choice.AUTO)
    options = parser.parse_args()
    table = new_table("What a record costs", (CPU, BYTES))
    for unit in measure_units(options.entries, Choice(options.servers)):
        cells = (f"{unit.value:.1f}", "") if unit.kind == CPU else ("", f"{unit.value:,.0f}")
        table.add_row(f"{unit.part}: {unit.what}", *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
