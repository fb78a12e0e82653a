"""Tries entries alone that may be what kills their consumers.

An entry that was delivered again and again without an answer may have killed those who got it. It is
tried alone, after its trial was recorded where the next life will find it: if the process dies in it,
that counts as a failure of the record; if it does not, the record of the trial is taken back.
"""

from __future__ import annotations

from collections.abc import Iterable

import trio

from processor import events, wall_clock
from processor._codec import Batch
from processor.core.attempts import Fate, unanswered
from processor.core.verdicts import Cause, Path, cause_of
from processor.edges.ports import PositionStore
from processor.errors import PostgresError, RedisError, SchemaMismatch
from processor.tasks.committing import Receipt, commit_alone, server_refusal
from processor.tasks.failing import Failures, SurvivedTrial, settle
from processor.tasks.in_hand import InHand
from processor.tasks.intake import Intake, decode_failure
from processor.tasks.receipts import Receipts
from processor.tasks.rehydration import Devices
from processor.tasks.retrying import Redis


class Trials:
    """Tries suspects one after the other, on a PostgreSQL session of their own."""

    def __init__(
        self,
        redis: Redis,
        store: PositionStore,
        intake: Intake,
        receipts: Receipts,
        *,
        attempts_max: int,
        in_hand: InHand,
        devices: Devices,
    ) -> None:
        self._redis = redis
        self._store = store
        self._intake = intake
        self._receipts = receipts
        self._attempts_max = attempts_max
        self._in_hand = in_hand
        self._devices = devices

    async def run(self, suspects: Iterable[str]) -> None:
        """Try each, while PostgreSQL answers; the rest is left to a later pass. Raises RedisError."""
        for entry_id in suspects:
            if not await self._postgres_answers():
                return
            await self._try(entry_id)

    async def _postgres_answers(self) -> bool:
        try:
            await self._store.ping()
        except PostgresError:
            return False
        return True

    async def _try(self, entry_id: str) -> None:
        try:
            if await self._is_recorded(entry_id):
                await self._report(await self._outcome(entry_id))
        except (trio.Cancelled, RedisError):
            # The process goes on, or stops in order. Any other way out of here is its end, and counts.
            await self._report(SurvivedTrial(entry_id))
            raise

    async def _is_recorded(self, entry_id: str) -> bool:
        """Record the trial before it begins; whether it may."""
        # Before the answer, which may be lost: what may be recorded has to be taken back.
        self._in_hand.tried(entry_id)
        begun = await self._redis.stream.begin_trial(entry_id, attempts_max=self._attempts_max)
        if begun.fate is not Fate.LEFT_PENDING:
            failure = unanswered(entry_id, wall_clock.unix_ms())
            settle(failure, begun, self._in_hand, self._redis)
            return False
        events.trial_begun(self._redis.log, entry_id=entry_id)
        return True

    async def _report(self, outcome: Receipt | Failures) -> None:
        # This wait ends: the stages take it, or close their ends.
        with trio.CancelScope(shield=True):
            if isinstance(outcome, Receipt):
                await self._receipts.send(outcome)
            else:
                await self._intake.fail(outcome)

    async def _outcome(self, entry_id: str) -> Receipt | Failures:
        redelivered = await self._redis.stream.redeliver([entry_id])
        self._intake.write_off(redelivered.lost_ids)
        delivery = redelivered.delivery
        self._intake.take_in_hand(delivery, redelivered=True, attempted=[entry_id])
        if delivery.rejections:
            return [decode_failure(each, on_trial=True) for each in delivery.rejections]
        if delivery.batch.records == 0:
            return SurvivedTrial(entry_id)
        await self._devices.meet(delivery.batch)
        return await self._written(delivery.batch, entry_id)

    async def _written(self, batch: Batch, entry_id: str) -> Receipt | Failures:
        recorder = self._redis.recorder
        try:
            receipt = await commit_alone(self._store, batch)
        except PostgresError as error:
            if not await self._is_the_records_fault(error):
                return SurvivedTrial(entry_id)
            recorder.records_failed(1)
            return [server_refusal(batch, error, on_trial=True)]
        recorder.records_written(inserted=receipt.inserted, duplicates=receipt.duplicates)
        return receipt

    async def _is_the_records_fault(self, error: PostgresError) -> bool:
        usable = error.connection_usable
        if cause_of(error.sqlstate, path=Path.STAGED, connection_usable=usable) is not Cause.RECORD:
            return False
        try:
            # There is no neighbour whose commit would show that the table is what we think.
            await self._store.check_schema()
        except (PostgresError, SchemaMismatch):
            return False
        return True
