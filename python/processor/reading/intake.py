"""Admits deliveries: sends their records to the writers, and their refused entries to the failure recorder."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import trio

from processor.core.attempts import Failure, FailureStage
from processor.core.in_flight import InFlight
from processor.journal.journal import Journal
from processor.settling.failure_recorder import FailureReport
from processor.writing.inlet import Inlet
from telemetry._codec import Batch, Delivery, Rejection
from telemetry.chassis import clocks, progress


class Intake:
    """The one way from the reading tasks to the stages. Once it is closed the stages run dry."""

    def __init__(
        self,
        inlets: Sequence[Inlet],
        failures: trio.MemorySendChannel[FailureReport],
        *,
        in_flight: InFlight,
        journal: Journal,
    ) -> None:
        self._inlets = inlets
        self._failures = failures
        self._in_flight = in_flight
        self._journal = journal
        # The scopes of tasks that wait for the stages.
        self._waits: set[trio.CancelScope] = set()
        self._is_abandoned = False

    def abandon(self) -> None:
        """Stop waiting for the stages: records that they have not taken stay in flight."""
        self._is_abandoned = True
        for wait in self._waits:
            wait.cancel()

    def close(self) -> None:
        """Close the ways to the stages."""
        for inlet in self._inlets:
            inlet.close()
        self._failures.close()

    async def admit(
        self, delivery: Delivery, *, redelivered: bool, attempted: Collection[str] = ()
    ) -> None:
        """Take a delivery in, and send its parts to the stages, even if a stop is requested meanwhile.

        Waits for a busy writer, until the intake is abandoned. Raises trio.BrokenResourceError when the
        stages have ended.
        """
        self.take_in(delivery, redelivered=redelivered, attempted=attempted)
        if delivery.rejections:
            failures = [decode_failure_of(each) for each in delivery.rejections]
            with self._shielded():
                await self.record(failures)
        await self._send(delivery.batch)
        if delivery.missing_ids:
            self.write_off(delivery.missing_ids)

    @contextmanager
    def _shielded(self) -> Iterator[None]:
        """Shield a wait that is bounded: the stages take the batch or close their ends, or the intake is abandoned."""
        with trio.CancelScope(shield=True) as wait:
            self._waits.add(wait)
            if self._is_abandoned:
                wait.cancel()
            try:
                yield
            finally:
                self._waits.remove(wait)

    def take_in(
        self, delivery: Delivery, *, redelivered: bool, attempted: Collection[str] = ()
    ) -> None:
        """Have the delivery in flight, count it and log it."""
        if redelivered:
            self._in_flight.take_again(delivery, attempted)
        else:
            self._in_flight.take(delivery)
        self._journal.batch_consumed(
            n=delivery.entries,
            first_id=delivery.first_id,
            last_id=delivery.last_id,
            redelivered=redelivered,
            refused=[rejection.code for rejection in delivery.rejections],
        )

    async def record(self, report: FailureReport) -> None:
        """Have failures recorded, or a trial taken back."""
        with progress.resting():
            await self._failures.send(report)

    def write_off(self, entry_ids: Sequence[str]) -> None:
        """Count pending entries as lost: they were trimmed or deleted, and Redis has taken them off the list."""
        if losses := self._in_flight.missing(entry_ids):
            self._journal.entries_lost(losses)

    async def _send(self, batch: Batch) -> None:
        """Send each writer the records of its devices."""
        if not batch.records:
            return
        parts = [batch] if len(self._inlets) == 1 else batch.partition(len(self._inlets))
        for inlet, part in zip(self._inlets, parts, strict=True):
            if part.records and not inlet.put_nowait(part):
                with self._shielded(), progress.resting():
                    await inlet.put(part)


def decode_failure_of(rejection: Rejection, *, on_trial: bool = False) -> Failure:
    """The failure of an entry that is not a Position."""
    place = "" if rejection.field is None else f" in {rejection.field}"
    byte = "" if rejection.offset is None else f" at byte {rejection.offset}"
    return Failure(
        entry_id=rejection.entry_id,
        failed_at_ms=clocks.unix_ms(),
        stage=FailureStage.DECODE,
        code=rejection.code,
        error=f"{rejection.code}{place}{byte}",
        device_id=rejection.device_id,
        field=rejection.field,
        offset=rejection.offset,
        on_trial=on_trial,
    )
