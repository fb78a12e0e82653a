"""The ways to write a batch of a few rows, as at an everyday pace: CPU time a batch, ours and the server's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, TypeAlias

import trio

from bench.batches import overlapping_batches
from bench.cpu import process_cpu_s
from bench.measure import BenchError, interleave
from bench.paths import DIRECT, PATHS, PROBE_ALL, STAGED
from bench.tables import launch_tables
from processor.edges.postgres.store import PostgresStore
from telemetry._codec import Batch, DeviceStates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.paths import Path, Way
    from bench.tables import BenchTable
    from dev.servers import Choice

SIZES = (1, 5, 20, 50)
KNOWN_PERCENTS = (0, 10, 100)
# In the table before, so that its index has a few levels.
STORED_ROWS = 20_000
# Before the clock starts: plans, and pages that are touched for the first time.
WARMING_BATCHES = 5

ARRAYS = "INSERT from arrays"


@dataclass(frozen=True, slots=True)
class BatchCost:
    """CPU time of one batch, in microseconds."""

    ours_us: float
    server_us: float


Costs: TypeAlias = "Mapping[str, Mapping[int, BatchCost]]"


@dataclass(frozen=True)
class SmallPathsResult:
    """Costs by way and number of rows, for one percentage of known rows on one kind of table."""

    kind: str
    server: str
    known_percent: int
    batches: int
    rounds: int
    costs: Costs


def run_small_paths(
    *, batches: int, rounds: int, choice: Choice, progress: Callable[[str], None]
) -> list[SmallPathsResult]:
    """Measure every way on every kind of table. Raises BenchError if one leaves rows out."""
    results = []
    with launch_tables(choice) as tables:
        for table in tables:
            for percent in KNOWN_PERCENTS:
                progress(f"small batches, {table.kind}, {percent} % known: {rounds} rounds")
                costs: dict[str, dict[int, BatchCost]] = {name: {} for name in SMALL_PATHS}
                for rows in SIZES:
                    for name, cost in _measure(table, batches, rounds, rows, percent).items():
                        costs[name][rows] = cost
                results.append(
                    SmallPathsResult(table.kind, table.server, percent, batches, rounds, costs)
                )
    return results


def _measure(
    table: BenchTable, batches: int, rounds: int, rows: int, percent: int
) -> dict[str, BatchCost]:
    stored, coming = overlapping_batches(
        batches=WARMING_BATCHES + batches,
        rows=rows,
        known_percent=percent,
        stored_rows=STORED_ROWS,
    )
    runs = interleave(
        {name: _contender(table, path, stored, coming) for name, path in SMALL_PATHS.items()},
        rounds=rounds,
    )
    return {
        name: BatchCost(
            median(cost.ours_us for cost in costs), median(cost.server_us for cost in costs)
        )
        for name, costs in runs.items()
    }


def _contender(
    table: BenchTable, path: Path, stored: Batch, coming: list[Batch]
) -> Callable[[], BatchCost]:
    async def write() -> BatchCost:
        store = PostgresStore(table.database.processor_url, instance_id="bench")
        try:
            await store.copy_direct(stored)
            table.owner.execute("VACUUM ANALYZE positions")
            backend, way = _backend_of(table), path(store)
            for batch in coming[:WARMING_BATCHES]:
                await way(batch)
            server_s, ours_s = process_cpu_s(backend), time.process_time()
            for batch in coming[WARMING_BATCHES:]:
                await way(batch)
            ours_s, server_s = time.process_time() - ours_s, process_cpu_s(backend) - server_s
            each_us = 1e6 / (len(coming) - WARMING_BATCHES)
            return BatchCost(ours_s * each_us, server_s * each_us)
        finally:
            await store.aclose()

    def run() -> BatchCost:
        table.empty()
        cost = trio.run(write)
        expected = Batch.merge([stored, *coming]).rows
        if (found := table.rows()) != expected:
            raise BenchError(f"{expected:,} rows were to be in the table, there are {found:,}")
        return cost

    return run


def _backend_of(table: BenchTable) -> int:
    """The process that serves the store's session."""
    [pid] = table.owner.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    ).fetchone() or (0,)
    return int(pid)


def _probe_and_copy(store: PostgresStore) -> Way:
    nothing_known = DeviceStates(1)

    async def write(batch: Batch) -> object:
        keys = nothing_known.unproven(batch)
        rest, _ = batch.drop_known(keys, (await store.probe(keys)).known)
        return await store.copy_direct(rest) if rest.rows else 0

    return write


# A violation leads to the arrays as well, and so does `insert_new`: it never stages what is small.
SMALL_PATHS: Mapping[str, Path] = {
    DIRECT: PATHS[DIRECT],
    PROBE_ALL: _probe_and_copy,
    ARRAYS: PATHS[STAGED],
}
