"""The ways to write a batch of which some rows are in the table already: rows per second of each."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, TypeAlias

import trio

from bench.batches import overlapping_batches
from bench.measure import BenchError, interleave
from bench.tables import launch_tables
from processor.core.scattered_keys import is_worth_probing
from processor.edges.postgres.store import PostgresStore
from processor.errors import PostgresError
from processor.journal import SERVICE
from processor.journal.journal import Journal
from processor.journal.statistics import Build
from processor.writing.device_states import KnownDevices, NewestPositions
from telemetry._codec import Batch, DeviceStates, Keys
from telemetry.chassis.logs import Log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from bench.tables import BenchTable
    from dev.servers import Choice

Way: TypeAlias = "Callable[[Batch], Awaitable[object]]"
Path: TypeAlias = "Callable[[PostgresStore], Way]"

# WRITE_BATCH_SIZE: as many rows as the service sends in one COPY under load.
BATCH_ROWS = 20_000
KNOWN_PERCENTS = (0, 1, 10, 50, 100)
UNIQUE_VIOLATION = "23505"

STAGED = "always staging"
DIRECT = "direct COPY, staging on violation"
PROBE_ALL = "probe all, COPY the rest"
PROBE_SUSPECTS = "probe suspects, COPY the rest"


@dataclass(frozen=True)
class PathsResult:
    """Rows per second by path and percentage of known rows, on one kind of table."""

    kind: str
    server: str
    batches: int
    rounds: int
    rows_per_second: Mapping[str, Mapping[int, float]]

    def ratio(self, path: str, known_percent: int) -> float:
        """The path's speed relative to always staging."""
        rates = self.rows_per_second
        return rates[path][known_percent] / rates[STAGED][known_percent]


def run_paths(
    *, batches: int, rounds: int, choice: Choice, progress: Callable[[str], None]
) -> list[PathsResult]:
    """Measure every path on every kind of table. Raises BenchError if one leaves rows out."""
    with launch_tables(choice) as tables:
        return [_measure(table, batches, rounds, progress) for table in tables]


def _measure(
    table: BenchTable, batches: int, rounds: int, progress: Callable[[str], None]
) -> PathsResult:
    rates: dict[str, dict[int, float]] = {name: {} for name in PATHS}
    for percent in KNOWN_PERCENTS:
        progress(f"paths, {table.kind}, {percent} % known: {rounds} rounds")
        stored, coming = overlapping_batches(
            batches=batches, rows=BATCH_ROWS, known_percent=percent
        )
        runs = interleave(
            {name: _contender(table, path, stored, coming) for name, path in PATHS.items()},
            rounds=rounds,
        )
        for name, seconds in runs.items():
            rates[name][percent] = batches * BATCH_ROWS / median(seconds)
    return PathsResult(table.kind, table.server, batches, rounds, rates)


def _contender(
    table: BenchTable, path: Path, stored: Batch, coming: list[Batch]
) -> Callable[[], float]:
    async def write() -> float:
        store = PostgresStore(table.database.processor_url, instance_id="bench")
        try:
            await store.copy_direct(stored)
            table.owner.execute("VACUUM ANALYZE positions")
            # The staging table is made once a session.
            await store.insert_new(stored)
            way = path(store)
            began = time.perf_counter()
            for batch in coming:
                await way(batch)
            return time.perf_counter() - began
        finally:
            await store.aclose()

    def run() -> float:
        table.empty()
        seconds = trio.run(write)
        expected = Batch.merge([stored, *coming]).rows
        if (found := table.rows()) != expected:
            raise BenchError(f"{expected:,} rows were to be in the table, there are {found:,}")
        return seconds

    return run


def _staged(store: PostgresStore) -> Way:
    return store.insert_new


def _direct(store: PostgresStore) -> Way:
    async def write(batch: Batch) -> object:
        try:
            return await store.copy_direct(batch)
        except PostgresError as error:
            if error.sqlstate != UNIQUE_VIOLATION:
                raise
            return await store.insert_new(batch)

    return write


def _probe_all(store: PostgresStore) -> Way:
    nothing_known = DeviceStates(1)

    async def write(batch: Batch) -> object:
        return await _copy_unknown(store, batch, nothing_known.unproven(batch))

    return write


def _probe_suspects(store: PostgresStore) -> Way:
    journal = Journal(
        Log(SERVICE),
        Build(version="", instance_id="", stream="", group="", consumer="", drain_budget_s=0),
    )
    devices = KnownDevices(
        store,
        NewestPositions(DeviceStates(100_000)),
        journal=journal,
    )

    async def write(batch: Batch) -> object:
        return await _copy_unknown(store, batch, await devices.prepare(batch))

    return write


async def _copy_unknown(store: PostgresStore, batch: Batch, suspects: Keys) -> object:
    if not is_worth_probing(days=suspects.days, rows=batch.rows):
        return await store.insert_new(batch)
    known = (await store.probe(suspects)).known if len(suspects) else b""
    rest, _ = batch.drop_known(suspects, known)
    return await store.copy_direct(rest) if rest.rows else 0


PATHS: Mapping[str, Path] = {
    STAGED: _staged,
    DIRECT: _direct,
    PROBE_ALL: _probe_all,
    PROBE_SUSPECTS: _probe_suspects,
}
