"""Commits batches to a table in memory, and keeps their receipts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from processor.core.batch_size import BatchSize
from processor.writing.committing import Callbacks, Committing
from telemetry._codec import Batch, DeviceStates
from tests.support.batches import batch_of
from tests.support.stores import SpyStore, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.core.attempts import Failure
    from processor.journal.journal import Journal
    from processor.settling.receipts import Receipt
    from telemetry._codec import Keys
    from telemetry.chassis.backoff import Backoff
    from tests.support.fakes.store import FakeStore

# Virtual seconds: beyond them it will never end.
LIFE_S_MAX = 3_600
ROWS_MAX = 20_000
# SQLSTATEs that a table, a trigger or a row may be to blame for.
REFUSALS = ("23514", "42883", "P0001", "54000", "0A000", "XX000", "44000", "22012")


class CommitHarness:
    """A Committing and its store; keeps the receipts, and has the batches that wait to be written."""

    def __init__(self, journal: Journal, backoff: Backoff) -> None:
        self.store = SpyStore()
        self.receipts: list[Receipt] = []
        self.committed: list[Batch] = []
        """Batches that were noted before their receipts."""
        self.before_receipt: Callable[[Receipt], None] = lambda _: None
        self.waiting: list[Batch] = []
        self.rows_beside: list[int] = []
        self.left: list[str] = []
        self.size = BatchSize(ROWS_MAX)
        self._journal, self._backoff = journal, backoff
        self.use(self.store)

    def use(self, store: SpyStore) -> None:
        """Write to this store from now on."""
        self.store = store
        self._committing = Committing(
            store,
            Callbacks(
                self.committed.append,
                self._send_receipt,
                self._leave_pending,
                self._take_waiting,
            ),
            size=self.size,
            journal=self._journal,
            backoff=self._backoff,
        )

    def add_rows(self, *positions: dict[str, Any]) -> None:
        """Have rows of former days in the table, which copies are made of."""
        self.store.table.rows.update(rows_of(batch_of(positions)))

    async def commit(self, batch: Batch, unproven: Keys | None = None) -> list[Failure]:
        """Write a batch whose keys are new, except for the unproven ones."""
        with trio.fail_after(LIFE_S_MAX):
            return await self._committing.run(batch, unproven or unproven_of(Batch.merge([])))

    async def _send_receipt(self, receipt: Receipt) -> None:
        self.before_receipt(receipt)
        await trio.lowlevel.checkpoint()
        self.receipts.append(receipt)

    def _leave_pending(self, batch: Batch) -> None:
        self.left += batch.entry_ids

    def _take_waiting(self, rows: int) -> Batch | None:
        self.rows_beside.append(rows)
        return self.waiting.pop(0) if self.waiting else None

    @property
    def receipted_ids(self) -> list[str]:
        return sorted(each for receipt in self.receipts for each in receipt.batch.entry_ids)


def unproven_of(batch: Batch) -> Keys:
    """The keys of all its rows, as if every device were unknown."""
    return DeviceStates(1_000).unproven(batch)


def refused_ids(refusals: list[Failure]) -> list[str]:
    return sorted(refusal.entry_id for refusal in refusals)


def lost(store: FakeStore, sqlstate: str | None = None) -> None:
    """The next write loses its connection."""
    store.failures.append(store.error("connection lost", sqlstate=sqlstate, usable=False))
