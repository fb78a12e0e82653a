"""Tries entries alone that may be what kills their consumers.

An entry that was delivered again and again without an answer may have killed those who got it. It is
tried alone, after its trial was recorded where the next life will find it: if the process dies in it,
that counts as a failure of the record; if it does not, the record of the trial is taken back, unless the
server refuses the record by the same rules as in any batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import trio

from processor.core.attempts import Fate, unanswered
from processor.core.in_flight import InFlight
from processor.core.parts import Part
from processor.core.write_errors import NextStep, WriteRoute
from processor.edges.ports import PositionStore
from processor.edges.retrying_stream import RetryingStream
from processor.errors import PostgresError
from processor.journal.journal import Journal
from processor.reading.intake import Intake, decode_failure
from processor.settling.failure_recorder import FailureReport, TrialWithdrawn, apply_fate
from processor.settling.receipts import Receipt, Receipts, written
from processor.writing.committing import failure_of
from processor.writing.judging import Judging
from processor.writing.pausing import Pauses
from processor.writing.rehydration import KnownDevices
from telemetry._codec import Batch
from telemetry.chassis import clocks
from telemetry.chassis.backoff import Backoff
from telemetry.chassis.errors import RedisError

# How long to wait for a writer between two of its batches: one that takes longer is in trouble itself.
TURN_S_MAX = 10.0
# For the canary of a trial, with pauses: some ten seconds, in which a server that crashed is there again.
CONNECTS_MAX = 10
REPORTER = "trials"


@dataclass(frozen=True, slots=True)
class TrialSession:
    """A PostgreSQL session that a suspect may be tried on."""

    store: PositionStore
    devices: KnownDevices
    """Those that are restored over this session."""
    turn: trio.Lock = field(default_factory=trio.Lock)
    """To be held while it is used."""


class SuspectTrials:
    """Tries suspects one after the other, on a session that is open meanwhile; without one, on a writer's."""

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
        """Try each, while PostgreSQL answers; the rest is left to a later pass. Raises RedisError."""
        try:
            for entry_id in suspects:
                if not await self._try_on_a_session(entry_id):
                    return
        finally:
            await self._own.store.aclose()

    async def _try_on_a_session(self, entry_id: str) -> bool:
        """Whether there was a session to try it on."""
        try:
            await self._own.store.ping()
        except PostgresError as error:
            return await self._try_on_the_writers(entry_id, error)
        await self._try(entry_id, self._own)
        return True

    async def _try_on_the_writers(self, entry_id: str, refusal: PostgresError) -> bool:
        with trio.move_on_after(TURN_S_MAX) as waiting:
            await self._writers.turn.acquire()
        if waiting.cancelled_caught:
            self._journal.trials_lack_a_session(error=str(refusal), waits=True)
            return False
        try:
            await self._writers.store.ping()
            self._journal.trials_lack_a_session(error=str(refusal), waits=False)
            await self._try(entry_id, self._writers)
        except PostgresError:
            # It is the server that is away.
            return False
        finally:
            self._writers.turn.release()
        return True

    async def _try(self, entry_id: str, session: TrialSession) -> None:
        try:
            if await self._is_recorded(entry_id):
                await self._report(await self._outcome(entry_id, session))
        except (trio.Cancelled, RedisError):
            # The process goes on, or stops in order. Any other way out of here is its end, and counts.
            await self._report(TrialWithdrawn(entry_id))
            raise

    async def _is_recorded(self, entry_id: str) -> bool:
        """Record the trial before it begins; whether it may."""
        # Before the answer, which may be lost: what may be recorded has to be taken back.
        self._in_flight.trial_begun(entry_id)
        begun = await self._redis.stream.begin_trial(entry_id, attempts_max=self._attempts_max)
        if begun.fate is not Fate.LEFT_PENDING:
            failure = unanswered(entry_id, clocks.unix_ms())
            apply_fate(failure, begun, self._in_flight, self._journal)
            return False
        self._journal.trial_begun(entry_id=entry_id)
        return True

    async def _report(self, outcome: Receipt | FailureReport) -> None:
        # This wait ends: the stages take it, or close their ends.
        with trio.CancelScope(shield=True):
            if isinstance(outcome, Receipt):
                await self._receipts.send(outcome)
            else:
                await self._intake.fail(outcome)

    async def _outcome(self, entry_id: str, session: TrialSession) -> Receipt | FailureReport:
        redelivered = await self._redis.stream.redeliver([entry_id])
        self._intake.write_off(redelivered.lost_ids)
        delivery = redelivered.delivery
        self._intake.take_in(delivery, redelivered=True, attempted=[entry_id])
        if delivery.rejections:
            return [decode_failure(each, on_trial=True) for each in delivery.rejections]
        if delivery.batch.records == 0:
            return TrialWithdrawn(entry_id)
        await session.devices.prepare(delivery.batch)
        return await self._written(delivery.batch, entry_id, session.store)

    async def _written(
        self, batch: Batch, entry_id: str, store: PositionStore
    ) -> Receipt | FailureReport:
        self._pauses.begin()
        try:
            return await self._judged(batch, entry_id, store)
        finally:
            # Whatever stood against the server, nothing of this trial waits for it any longer.
            self._pauses.answered()

    async def _judged(
        self, batch: Batch, entry_id: str, store: PositionStore
    ) -> Receipt | FailureReport:
        judging = Judging(store, self._pauses, connects_max=CONNECTS_MAX)
        part = Part(batch, WriteRoute.STAGED)
        while True:
            canary = judging.take_canary()
            try:
                # Whatever may be in the table already.
                receipt = written(batch, await store.copy_staged(batch))
            except PostgresError as error:
                # It is under suspicion already: the server is asked after the first try without an answer.
                ruling = await judging.rule(
                    part, error, canary=canary, is_suspected=True, has_commits=False
                )
            else:
                self._journal.records_written(
                    inserted=receipt.inserted,
                    duplicates=receipt.duplicates,
                    discarded=receipt.discarded,
                )
                return receipt
            part = ruling.part
            if ruling.step is NextStep.REFUSE:
                self._journal.records_failed(1)
                return [failure_of(batch, ruling, on_trial=True)]
            if ruling.step is not NextStep.TRY_AGAIN:
                # The infrastructure's fault or the table's: a later pass tries it again.
                if ruling.step is not NextStep.RETRY:
                    self._journal.records_left(
                        n=1, sqlstate=ruling.error.sqlstate, error=str(ruling.error)
                    )
                return TrialWithdrawn(entry_id)
