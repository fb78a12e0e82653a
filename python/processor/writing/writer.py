"""Turns batches into rows: gathers them, prepares their devices, writes them, and sends the receipts."""

from __future__ import annotations

import trio

from processor.core.batch_size import BatchSize
from processor.edges.ports import PositionStore
from processor.journal.journal import Journal
from processor.settling.failure_recorder import FailureReport
from processor.settling.receipts import Receipts
from processor.writing.committing import Callbacks, Committing
from processor.writing.device_states import KnownDevices
from processor.writing.inlet import Inlet
from telemetry._codec import Batch
from telemetry.chassis import progress
from telemetry.chassis.backoff import Backoff
from telemetry.chassis.lock import Lock

# A held batch takes in others up to twice its size, and at least up to this size: it is written in parts.
HELD_ROWS_MIN = 1_000


class Writer:
    """Writes batches over one PostgreSQL session; every record of a device comes to the same writer.

    Owns its store, its end of the inlet and its senders of receipts and failures. Stops when the
    inlet is closed and empty. Cancelled, it drops what it has in flight, which stays pending in Redis
    and is read again by the next life of this consumer. Raises no PostgresError: it writes again
    for as long as it takes.
    """

    def __init__(
        self,
        store: PositionStore,
        inlet: Inlet,
        receipts: Receipts,
        failures: trio.MemorySendChannel[FailureReport],
        *,
        devices: KnownDevices,
        turn: Lock,
        journal: Journal,
        backoff: Backoff,
    ) -> None:
        """`turn` is held while a batch is written: between two batches another task may take it, and use the store."""
        self._inlet = inlet
        self._receipts = receipts
        self._failures = failures
        self._devices = devices
        self._turn = turn
        self._committing = Committing(
            store,
            Callbacks(receipts.note_committed, receipts.send, receipts.leave, self._take_waiting),
            size=BatchSize(inlet.rows_max),
            journal=journal,
            backoff=backoff,
        )

    async def run(self) -> None:
        """Write until the inlet ends."""
        with self._inlet, self._receipts, self._failures:
            while (batch := await self._next_batch()) is not None:
                with progress.working():
                    await self._decide(batch)

    async def _decide(self, batch: Batch) -> None:
        async with self._turn:
            unproven = await self._devices.prepare(batch)
            refused = await self._committing.run(batch, unproven)
        if refused:
            with progress.resting():
                await self._failures.send(refused)

    async def _next_batch(self) -> Batch | None:
        """All that came in, as large as the load makes it; None when the inlet has ended and nothing is left."""
        try:
            return Batch.merge(await self._inlet.take())
        except trio.EndOfChannel:
            return None

    def _take_waiting(self, rows: int) -> Batch | None:
        """Take what waits behind a held batch of this number of rows.

        It fills that batch up to its limit, or is another one beside a full one: rows that the table refuses
        may fill a batch, and must not keep out those that it accepts.
        """
        rows_max = self._inlet.rows_max
        if rows >= max(2 * rows_max, HELD_ROWS_MIN):
            return None
        beside_rows = rows if rows < rows_max else 0
        if not (waiting := self._inlet.take_nowait(beside_rows=beside_rows)):
            return None
        batch = Batch.merge(waiting)
        self._devices.update(batch)
        return batch
