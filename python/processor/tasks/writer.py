"""Turns batches into rows: gathers what is there, updates device states, writes, hands receipts on."""

from __future__ import annotations

import math
import time

import trio

from processor import events
from processor._codec import Batch, DeviceStates
from processor.core.backoff import Backoff
from processor.core.batching import Batching
from processor.edges.ports import PositionStore
from processor.tasks.committing import Committing, Receipt, Refusal
from processor.tasks.in_hand import InHand
from processor.tasks.retrying import Dependency

# `dlq_code` of the stage `write`, in logs too.
REFUSED_BY_SERVER = "refused_by_server"


class Writer:
    """One task with one PostgreSQL session; every record of a device comes to the same writer.

    Owns its store, its end of the inlet and its sender of receipts. Stops when the inlet is closed
    and empty. Cancelled, it drops what it has in hand, which stays pending in Redis and is read
    again by the next life of this consumer. Raises nothing of PostgreSQL's own: it writes again for
    as long as it takes.
    """

    def __init__(
        self,
        store: PositionStore,
        inlet: trio.MemoryReceiveChannel[Batch],
        receipts: trio.MemorySendChannel[Receipt],
        *,
        batching: Batching[Batch],
        states: DeviceStates,
        in_hand: InHand,
        postgres: Dependency,
        backoff: Backoff,
    ) -> None:
        self._store = store
        self._inlet = inlet
        self._receipts = receipts
        self._batching = batching
        self._states = states
        self._in_hand = in_hand
        self._postgres = postgres
        self._backoff = backoff

    async def run(self) -> None:
        """Write until the inlet ends."""
        with self._inlet, self._receipts:
            while (batch := await self._next_batch()) is not None:
                self._remember_devices(batch)
                committing = Committing(
                    self._store,
                    batch,
                    self._receipts.send,
                    postgres=self._postgres,
                    backoff=self._backoff,
                )
                for refusal in await committing.run():
                    self._leave_pending(refusal)

    async def _next_batch(self) -> Batch | None:
        """What came in, as large as the load makes it; None when the inlet has ended and nothing is held."""
        try:
            await self._gather()
        except trio.EndOfChannel:
            if self._batching.due_at() is None:
                return None
        return Batch.merge(self._batching.flush())

    async def _gather(self) -> None:
        """Take batches in until one is due. Raises EndOfChannel when no more will come."""
        while not self._batching.full:
            due_at = self._batching.due_at()
            with trio.move_on_at(math.inf if due_at is None else due_at) as lingering:
                self._batching.add(await self._next(), trio.current_time())
            if lingering.cancelled_caught:
                return

    async def _next(self) -> Batch:
        # What is there is taken without a visit to the scheduler, and even when lingering is over.
        try:
            return self._inlet.receive_nowait()
        except trio.WouldBlock:
            return await self._inlet.receive()

    def _remember_devices(self, batch: Batch) -> None:
        self._states.update(batch, time.time_ns() // 1_000_000)
        self._postgres.recorder.devices_seen(
            size=len(self._states), evictions=self._states.evictions
        )

    def _leave_pending(self, refusal: Refusal) -> None:
        self._postgres.recorder.records_failed(1)
        self._in_hand.settle(1)
        events.record_refused(
            self._postgres.log,
            entry_id=refusal.record.entry_ids[0],
            device_id=refusal.record.device_ids[0],
            code=REFUSED_BY_SERVER,
            field=None,
            offset=None,
            sqlstate=refusal.error.sqlstate,
        )
