"""Stores for tests of tasks: FakeStores that record their calls, or refuse rows by content."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tests.support.fakes.rows import Key, Row, read_copy_rows
from tests.support.fakes.store import FakeStore
from tests.support.fakes.table import FakeTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from processor.core.write_errors import Evidence
    from processor.edges.ports import Commit, ProbeResult
    from telemetry._codec import Batch, Keys

SPEED_COLUMN = 6


def rows_of(batch: Batch) -> dict[Key, Row]:
    """The rows that COPY would write, by key."""
    return dict(read_copy_rows(b"".join(batch.copy_chunks(64 * 1024))))


def keys_of(batch: Batch) -> set[Key]:
    """The keys of the rows that COPY would write."""
    return set(rows_of(batch))


def speed_of(row: Row) -> float:
    [speed] = struct.unpack(">f", row[SPEED_COLUMN])
    return float(speed)


class SpyStore(FakeStore):
    """A FakeStore that records its probes and writes, and refuses rows faster than `speed_max`."""

    def __init__(self, table: FakeTable | None = None, *, speed_max: float = 1_000.0) -> None:
        super().__init__(table)
        self.speed_max = speed_max
        self.sqlstate = "23514"
        self.writes: list[tuple[str, int]] = []
        self.probes: list[int] = []
        self.checks = self.canaries = self.confirms = 0
        self.evidence: list[Evidence] = []
        self.before_write: Callable[[], None] = lambda: None
        self.after_probe: Callable[[], None] = lambda: None

    async def check_schema(self) -> tuple[str, ...]:
        self.checks += 1
        return await super().check_schema()

    async def copy_direct(self, batch: Batch) -> Commit:
        self.writes.append(("direct", batch.rows))
        self.before_write()
        return await super().copy_direct(batch)

    async def insert_new(self, batch: Batch) -> Commit:
        self.writes.append(("insert_new", batch.rows))
        self.before_write()
        return await super().insert_new(batch)

    async def probe(self, keys: Keys) -> ProbeResult:
        self.probes.append(len(keys))
        probed = await super().probe(keys)
        self.after_probe()
        return probed

    async def gather_evidence(self, accused: Batch, *, entry_ms: int) -> Evidence:
        evidence = await super().gather_evidence(accused, entry_ms=entry_ms)
        self.evidence.append(evidence)
        return evidence

    async def try_canary(self) -> Commit:
        self.canaries += 1
        return await super().try_canary()

    async def confirm(self) -> Commit:
        self.confirms += 1
        return await super().confirm()

    def refuse(self, rows: Mapping[Key, Row]) -> None:
        super().refuse(rows)
        if any(speed_of(row) > self.speed_max for row in rows.values()):
            raise self.error("too fast", sqlstate=self.sqlstate)
