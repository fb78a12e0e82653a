"""Tries suspected poison entries in isolation.

An entry that was delivered again and again without an acknowledgement may have killed its consumers. Its trial is
recorded in Redis first, where the next life of this consumer finds it. If the process dies in the trial, that counts
as a failure of the record. If not, the trial is taken back, unless the record is refused by the same rules as in any
batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import trio

from processor.core.attempts import Fate, unanswered
from processor.core.bisection import Part
from processor.core.in_flight import InFlight
from processor.core.write_errors import NextStep, WriteRoute
from processor.edges.ports import PositionStore
from processor.edges.retrying_stream import RetryingStream
from processor.errors import PostgresError
from processor.journal.journal import Journal
from processor.reading.intake import Intake, decode_failure_of
from processor.settling.failure_recorder import FailureReport, TrialWithdrawn, apply_fate
from processor.settling.receipts import Receipt, Receipts, written
from processor.writing.committing import write_failure_of
from processor.writing.device_states import KnownDevices
from processor.writing.diagnosis import Diagnosis
from processor.writing.pausing import Pauses
from telemetry._codec import Batch
from telemetry.chassis import clocks, progress
from telemetry.chassis.backoff import Backoff
from telemetry.chassis.errors import RedisError
from telemetry.chassis.lock import Lock

# How long to wait until a writer is between two batches: one that takes longer is in trouble itself.
TURN_S_MAX = 10.0
# Tries to connect for the canary of a trial. With their pauses they take some ten seconds: enough for a server
# that crashed to restart.
CONNECTS_MAX = 10
REPORTER = "trials"


@dataclass(frozen=True, slots=True)
class TrialSession:
    """A PostgreSQL session that a suspect may be tried on."""

    store: PositionStore
    devices: KnownDevices
    """Device states that are restored over this session."""
    turn: Lock = field(default_factory=Lock)
    """To be held while the session is used."""


class SuspectTrials:
    """Tries suspects one after the other, over a session for trials, or over a writer's if PostgreSQL grants no other.

    Runs in the reclaimer's task. Cancelled, or without Redis, it takes the current trial back. Only the death
    of the process in a trial counts against the record.
    """

    def __init__(
        self,
        redis: RetryingStream,
        own: TrialSession,
        writers: TrialSession,
        intake: Intake,
        receipts: Receipts,
        *,
        attempts_max: int,
        in_flight: InFlight,
        journal: Journal,
        backoff: Backoff,
    ) -> None:
        self._redis = redis
        self._own = own
        self._writers = writers
        self._intake = intake
        self._receipts = receipts
        self._attempts_max = attempts_max
        self._in_flight = in_flight
        self._journal = journal
        self._pauses = Pauses(journal, backoff, by=REPORTER)

    async def run(self, suspects: Iterable[str]) -> None:
        """Try each while PostgreSQL answers, and leave the rest to a later pass. Raises RedisError."""
        try:
            for entry_id in suspects:
                progress.step()
                if not await self._try_on_a_session(entry_id):
                    return
        finally:
            await self._own.store.aclose()

    async def _try_on_a_session(self, entry_id: str) -> bool:
        """Try one. False if there was no session for it."""
        try:
            await self._own.store.ping()
        except PostgresError as error:
            return await self._try_on_the_writers(entry_id, error)
        await self._try(entry_id, self._own)
        return True

    async def _try_on_the_writers(self, entry_id: str, refusal: PostgresError) -> bool:
        with progress.resting(), trio.move_on_after(TURN_S_MAX) as waiting:
            await self._writers.turn.acquire()
        if waiting.cancelled_caught:
            self._journal.trials_lack_a_session(error=str(refusal), waits=True)
            return False
        try:
            await self._writers.store.ping()
            self._journal.trials_lack_a_session(error=str(refusal), waits=False)
            await self._try(entry_id, self._writers)
        except PostgresError:
            # The server itself is away.
            return False
        finally:
            self._writers.turn.release()
        return True

    async def _try(self, entry_id: str, session: TrialSession) -> None:
        try:
            if await self._begin(entry_id):
                await self._report(await self._outcome(entry_id, session))
        except (trio.Cancelled, RedisError):
            # The process goes on, or stops in order. Any other exception ends it, and the trial counts.
            await self._report(TrialWithdrawn(entry_id))
            raise

    async def _begin(self, entry_id: str) -> bool:
        """Record the trial. False if it must not begin."""
        # Noted before the answer, which may be lost: a trial that may be recorded has to be taken back.
        self._in_flight.trial_begun(entry_id)
        begun = await self._redis.stream.begin_trial(entry_id, attempts_max=self._attempts_max)
        if begun.fate is not Fate.LEFT_PENDING:
            failure = unanswered(entry_id, clocks.unix_ms())
            apply_fate(failure, begun, self._in_flight, self._journal)
            return False
        self._journal.trial_begun(entry_id=entry_id)
        return True

    async def _report(self, outcome: Receipt | FailureReport) -> None:
        # This wait is bounded: the stages take it, or close their ends.
        with trio.CancelScope(shield=True):
            if isinstance(outcome, Receipt):
                await self._receipts.send(outcome)
            else:
                await self._intake.record(outcome)

    async def _outcome(self, entry_id: str, session: TrialSession) -> Receipt | FailureReport:
        redelivered = await self._redis.stream.redeliver([entry_id])
        self._intake.write_off(redelivered.lost_ids)
        delivery = redelivered.delivery
        self._intake.take_in(delivery, redelivered=True, attempted=[entry_id])
        if delivery.rejections:
            return [decode_failure_of(each, on_trial=True) for each in delivery.rejections]
        if delivery.batch.records == 0:
            return TrialWithdrawn(entry_id)
        await session.devices.prepare(delivery.batch)
        return await self._written(delivery.batch, entry_id, session.store)

    async def _written(
        self, batch: Batch, entry_id: str, store: PositionStore
    ) -> Receipt | FailureReport:
        self._pauses.begin()
        try:
            return await self._write(batch, entry_id, store)
        finally:
            # Nothing of this trial waits for the server any longer, however it ended.
            self._pauses.answered()

    async def _write(
        self, batch: Batch, entry_id: str, store: PositionStore
    ) -> Receipt | FailureReport:
        """Write the record until it is decided, or until the infrastructure or the table is to blame."""
        diagnosis = Diagnosis(store, self._pauses, connects_max=CONNECTS_MAX)
        part = Part(batch, WriteRoute.INSERT_NEW)
        while True:
            canary = diagnosis.take_canary()
            try:
                # Its row may be in the table already.
                receipt = written(batch, await store.insert_new(batch))
            except PostgresError as error:
                # It is suspected already: a canary is tried after the first try without an answer.
                decision = await diagnosis.decide(
                    part, error, canary=canary, is_suspected=True, has_commits=False
                )
            else:
                self._journal.records_written(
                    inserted=receipt.inserted,
                    duplicates=receipt.duplicates,
                    discarded=receipt.discarded,
                )
                return receipt
            part = decision.part
            if decision.step is NextStep.REFUSE:
                self._journal.records_failed(1)
                return [write_failure_of(batch, decision, on_trial=True)]
            if decision.step is not NextStep.TRY_AGAIN:
                # The infrastructure or the table is to blame: a later pass tries it again.
                if decision.step is not NextStep.RETRY:
                    self._journal.records_left(
                        n=1, sqlstate=decision.error.sqlstate, error=str(decision.error)
                    )
                return TrialWithdrawn(entry_id)
