"""Where deliveries come in: their records go to the writers, their refusals to the record of failures."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import trio

from processor.core.attempts import Failure, FailureStage
from processor.core.in_flight import InFlight
from processor.journal.journal import Journal
from processor.settling.failure_recorder import FailureReport
from telemetry._codec import Batch, Delivery, Rejection
from telemetry.chassis import clocks


class Intake:
    """The one way from the reading tasks to the stages, which run dry when it is closed."""

    def __init__(
        self,
        inlets: Sequence[trio.MemorySendChannel[Batch]],
        failures: trio.MemorySendChannel[FailureReport],
        *,
        in_flight: InFlight,
        journal: Journal,
    ) -> None:
        self._inlets = inlets
        self._failures = failures
        self._in_flight = in_flight
        self._journal = journal
        # The scopes of those who wait for the stages.
        self._waits: set[trio.CancelScope] = set()
        self._is_abandoned = False

    def abandon(self) -> None:
        """Nobody waits for the stages any longer: what they have not taken stays in flight."""
        self._is_abandoned = True
        for wait in self._waits:
            wait.cancel()

    def close(self) -> None:
        """No more will come."""
        for inlet in self._inlets:
            inlet.close()
        self._failures.close()

    async def admit(
        self, delivery: Delivery, *, redelivered: bool, attempted: Collection[str] = ()
    ) -> None:
        """Take in what was delivered and hand it over, even if a stop was asked for meanwhile.

        Waits for a writer that is busy, until the intake is abandoned. Raises
        trio.BrokenResourceError when the stages are gone.
        """
        self.take_in(delivery, redelivered=redelivered, attempted=attempted)
        with self._shielded():
            if delivery.rejections:
                await self.fail([decode_failure(each) for each in delivery.rejections])
            await self._hand_over(delivery.batch)
        if delivery.missing_ids:
            self.write_off(delivery.missing_ids)

    @contextmanager
    def _shielded(self) -> Iterator[None]:
        """This wait ends: the stages take what they are given, or close their ends, or it is abandoned."""
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
        """Count what was delivered, and log it."""
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

    async def fail(self, failures: FailureReport) -> None:
        """Have failures recorded, or a trial taken back."""
        await self._failures.send(failures)

    def write_off(self, entry_ids: Sequence[str]) -> None:
        """Pending entries were trimmed or deleted from the stream, and Redis has struck them off."""
        if losses := self._in_flight.missing(entry_ids):
            self._journal.entries_lost(losses)

    async def _hand_over(self, batch: Batch) -> None:
        if not batch.records:
            return
        parts = [batch] if len(self._inlets) == 1 else batch.partition(len(self._inlets))
        for inlet, part in zip(self._inlets, parts, strict=True):
            if part.records:
                await inlet.send(part)


def decode_failure(rejection: Rejection, *, on_trial: bool = False) -> Failure:
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
