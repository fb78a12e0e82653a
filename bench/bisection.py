"""The ways to find the one row of a batch that the server refuses: seconds until all others are committed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, TypeAlias

import psycopg
import trio

from bench.batches import overlapping_batches
from bench.measure import BenchError, interleave
from bench.paths import BATCH_ROWS
from bench.tables import launch_tables
from processor.edges.postgres.connection import TrioConnection
from processor.edges.postgres.copying import COPY_CHUNK_BYTES, COPY_DIRECT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bench.tables import BenchTable
    from dev.servers import Choice
    from telemetry._codec import Batch

Way: TypeAlias = "Callable[[TrioConnection, Batch], Awaitable[None]]"

# Position of the row in the batch: neither the best nor the worst for either way.
BAD_ROW = BATCH_ROWS * 2 // 3
TRANSACTIONS, SAVEPOINTS = "several transactions", "one transaction, savepoints"


@dataclass(frozen=True)
class BisectionResult:
    """Median seconds of both ways on one kind of table, the refused first try included."""

    kind: str
    server: str
    fsync: bool
    rounds: int
    transactions_s: float
    savepoints_s: float


def run_bisection(
    *, rounds: int, choice: Choice, progress: Callable[[str], None]
) -> list[BisectionResult]:
    """Measure both ways, with and without fsync. Raises BenchError if a good row is left out."""
    batch, _ = overlapping_batches(batches=1, rows=BATCH_ROWS, known_percent=100)
    results = []
    for fsync in (False, True):
        with launch_tables(choice, fsync=fsync) as tables:
            for table in tables:
                progress(f"bisection, {table.kind}, fsync {'on' if fsync else 'off'}")
                results.append(_measure(table, batch, rounds, fsync=fsync))
    return results


def _measure(table: BenchTable, batch: Batch, rounds: int, *, fsync: bool) -> BisectionResult:
    device_id, latitude = _row(batch, BAD_ROW)
    table.owner.execute(
        f"ALTER TABLE positions ADD CHECK (device_id <> '{device_id}' OR latitude <> {latitude!r})".encode()
    )

    def run(way: Way) -> float:
        table.empty()
        seconds = trio.run(_timed, table.database.processor_url, way, batch)
        if (found := table.rows()) != batch.rows - 1:
            raise BenchError(
                f"{batch.rows - 1:,} rows were to be in the table, there are {found:,}"
            )
        return seconds

    runs = interleave(
        {TRANSACTIONS: lambda: run(halve), SAVEPOINTS: lambda: run(halve_with_savepoints)},
        rounds=rounds,
    )
    transactions_s, savepoints_s = median(runs[TRANSACTIONS]), median(runs[SAVEPOINTS])
    return BisectionResult(table.kind, table.server, fsync, rounds, transactions_s, savepoints_s)


def _row(batch: Batch, row: int) -> tuple[str, float]:
    """Device and latitude, which identify a row of the generated fleet."""
    taken = batch.take_out(row)[1]
    [(device_id, _, latitude, _)] = taken.newest_positions()
    return device_id, latitude


async def _timed(url: str, way: Way, batch: Batch) -> float:
    async with await TrioConnection.connect(url) as connection:
        began = time.perf_counter()
        await way(connection, batch)
        return time.perf_counter() - began


async def halve(connection: TrioConnection, batch: Batch) -> None:
    """Write the batch; if it is refused, each half by itself. Every COPY is a transaction."""
    try:
        await connection.copy_in(COPY_DIRECT, batch.copy_chunks(COPY_CHUNK_BYTES))
    except psycopg.errors.CheckViolation:
        if batch.rows > 1:
            for half in batch.split():
                await halve(connection, half)


async def halve_with_savepoints(connection: TrioConnection, batch: Batch) -> None:
    """The same in one transaction, with a savepoint before every COPY."""
    await connection.execute("BEGIN")
    await _halve_in_transaction(connection, batch)
    await connection.execute("COMMIT")


async def _halve_in_transaction(connection: TrioConnection, batch: Batch) -> None:
    await connection.execute("SAVEPOINT before_copy")
    try:
        await connection.copy_in(COPY_DIRECT, batch.copy_chunks(COPY_CHUNK_BYTES))
    except psycopg.errors.CheckViolation:
        await connection.execute("ROLLBACK TO SAVEPOINT before_copy")
        if batch.rows > 1:
            for half in batch.split():
                await _halve_in_transaction(connection, half)
    else:
        await connection.execute("RELEASE SAVEPOINT before_copy")
