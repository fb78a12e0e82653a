"""Writes one batch until each of its records is committed, refused, or left pending for the table's sake."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from processor.core.attempts import NO_ANSWER, REFUSED_BY_SERVER, Failure, FailureStage
from processor.core.batch_size import BatchSize
from processor.core.bisection import Bisection, Part
from processor.core.write_errors import FailureKind, NextStep, WriteRoute, wants_new_session
from processor.edges.ports import Commit, PositionStore
from processor.errors import PostgresError
from processor.journal.journal import Journal
from processor.settling.receipts import Receipt, written
from processor.writing.diagnosis import SCHEMA_DIFFERS, Decision, Diagnosis, charge_of
from processor.writing.known_rows import KnownRows
from processor.writing.pausing import Pauses
from telemetry._codec import Batch, Keys
from telemetry.chassis import clocks, progress
from telemetry.chassis.backoff import Backoff

BatchBisection: TypeAlias = "Bisection[Batch, Decision]"

TABLE_REFUSES_ALL = "the table refuses every row, copies of sound ones too"


def write_failure_of(record: Batch, decision: Decision, *, on_trial: bool = False) -> Failure:
    """The failure of a record that PostgreSQL refuses for its own sake, or never answers."""
    error = decision.error
    return Failure(
        entry_id=record.entry_ids[0],
        failed_at_ms=clocks.unix_ms(),
        stage=FailureStage.WRITE,
        code=NO_ANSWER if decision.kind is FailureKind.NO_ANSWER else REFUSED_BY_SERVER,
        error=str(error),
        device_id=record.device_ids[0],
        sqlstate=error.sqlstate,
        on_trial=on_trial,
    )


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Where the parts of a batch go, and where more rows come from."""

    note_committed: Callable[[Batch], None]
    """Takes what is committed, at once."""
    send_receipt: Callable[[Receipt], Awaitable[None]]
    """Takes its receipt."""
    leave_pending: Callable[[Batch], None]
    """Takes records that stay pending without an attempt."""
    take_waiting: Callable[[int], Batch | None]
    """Gives what waits to be written, if anything, for a batch that has that number of rows already."""


class Committing:
    """Takes one batch from the channel to its receipts.

    A batch that the infrastructure failed is kept and written again. One that the server refuses is bisected until
    the bad row stands alone, so that all other rows are committed. Cancelled, it leaves what has no receipt yet
    pending in Redis.
    """

    def __init__(
        self,
        store: PositionStore,
        callbacks: Callbacks,
        *,
        size: BatchSize,
        journal: Journal,
        backoff: Backoff,
    ) -> None:
        self._store = store
        self._callbacks = callbacks
        self._size = size
        self._journal = journal
        self._pauses = Pauses(journal, backoff)
        self._diagnosis = Diagnosis(store, self._pauses)
        self._known = KnownRows(store, journal)
        self._inserted = self._discarded = self._committed = 0

    async def run(self, batch: Batch, unproven: Keys) -> list[Failure]:
        """Write a batch; the keys `unproven` may be in the table. Returns the failures of refused records."""
        began_s = clocks.monotonic_s()
        self._inserted = self._discarded = self._committed = 0
        self._pauses.begin()
        self._diagnosis.begin()
        whole = await self._known.leave_out(batch, unproven)
        failures: list[Failure] = []
        if self._known.seen is not None or whole.batch.rows > self._size.rows:
            failures = await self._in_parts(whole, None)
        else:
            try:
                commit = await self._commit(whole)
            except PostgresError as error:
                failures = await self._in_parts(whole, error)
            else:
                # Nearly always that is all.
                await self._settle(whole.batch, commit)
        # A refusal is an answer, too.
        self._journal.batch_written(
            inserted=self._inserted,
            duplicates=self._committed - self._inserted - self._discarded,
            discarded=self._discarded,
            failed=len(failures),
            duration_ms=(clocks.monotonic_s() - began_s) * 1000,
        )
        return failures

    async def _in_parts(self, whole: Part[Batch], error: PostgresError | None) -> list[Failure]:
        """Write it part by part; `error` if it was written as a whole, and failed."""
        # Without its parameters, which cost more to name than the object.
        bisection: BatchBisection = Bisection(whole.batch, whole.route)
        if error is not None:
            await self._after_failure(bisection, whole, error, None)
        await self._bisect(bisection)
        failures = [write_failure_of(each.record, each.reason) for each in bisection.refused]
        self._leave(bisection)
        return failures

    async def _bisect(self, bisection: BatchBisection) -> None:
        while True:
            progress.step()
            bisection.cut(self._size.rows)
            if part := bisection.part:
                await self._write(bisection, part)
            elif self._known.seen is not None:
                await self._prove_seen(bisection)
            elif (doubt := _first_doubt(bisection)) is not None:
                await self._hold(bisection, doubt.error, doubt.why)
            elif bisection.is_fruitless:
                await self._hold(bisection, bisection.set_aside[0].reason.error, TABLE_REFUSES_ALL)
            else:
                return

    async def _write(self, bisection: BatchBisection, part: Part[Batch]) -> None:
        canary = self._diagnosis.take_canary()
        try:
            commit = await self._commit(part)
        except PostgresError as error:
            await self._after_failure(bisection, part, error, canary)
            return
        bisection.commit()
        # Whatever comes of the receipts before its own.
        self._callbacks.note_committed(part.batch)
        await self._receipt_seen(bisection, commit)
        await self._settle(part.batch, commit)

    async def _commit(self, part: Part[Batch]) -> Commit:
        """Write a part. Raises PostgresError."""
        began_s = clocks.monotonic_s()
        is_direct = part.route is WriteRoute.DIRECT
        write = self._store.copy_direct if is_direct else self._store.insert_new
        try:
            commit = await write(part.batch)
        except PostgresError:
            self._known.may_have_grown()
            raise
        self._pauses.answered()
        self._size.went_through(part.batch.rows)
        self._journal.write_timed(clocks.monotonic_s() - began_s)
        return commit

    async def _settle(self, part: Batch, commit: Commit) -> None:
        """Send the receipt of a part that was committed."""
        if self._known.misses_some(part, commit):
            # Whatever comes of the question.
            self._callbacks.note_committed(part)
            commit = await self._known.with_discarded(part, commit)
        await self._receipt(written(part, commit))

    async def _prove_seen(self, bisection: BatchBisection) -> None:
        """Prove the rows that were seen by an empty commit, where no write follows at once."""
        try:
            commit = await self._store.confirm()
        except PostgresError as error:
            self._journal.seen_rows_not_proven(error=str(error))
            self._write_seen(bisection)
        else:
            await self._receipt_seen(bisection, commit)

    async def _receipt_seen(self, bisection: BatchBisection, commit: Commit) -> None:
        """A commit on the same session proves the rows that were seen; else they are written like any others."""
        if self._known.seen is None:
            return
        if (receipt := self._known.seen.proven_by(commit)) is None:
            self._write_seen(bisection)
            return
        self._known.seen = None
        await self._receipt(receipt)

    def _write_seen(self, bisection: BatchBisection) -> None:
        if self._known.seen is not None:
            bisection.add(self._known.seen.batch, WriteRoute.INSERT_NEW)
            self._known.seen = None

    async def _receipt(self, receipt: Receipt) -> None:
        self._inserted += receipt.inserted
        self._discarded += receipt.discarded
        self._committed += receipt.batch.records
        self._journal.records_written(
            inserted=receipt.inserted,
            duplicates=receipt.duplicates,
            discarded=receipt.discarded,
        )
        if receipt.discarded:
            self._journal.rows_discarded(n=receipt.discarded)
        await self._callbacks.send_receipt(receipt)

    async def _after_failure(
        self,
        bisection: BatchBisection,
        part: Part[Batch],
        error: PostgresError,
        canary: Commit | None,
    ) -> None:
        def charge() -> bool:
            entry_id, device_id = part.batch.entry_ids[0], part.batch.device_ids[0]
            return bisection.count_refusal(charge_of(error), entry_id, device_id)

        decision = await self._diagnosis.decide(
            part,
            error,
            canary=canary,
            is_suspected=part.is_suspected or self._size.suspects(part.batch.rows),
            has_commits=bisection.has_commits,
            charge=charge,
        )
        match decision.step:
            case NextStep.INSERT_NEW:
                bisection.insert_new()
            case NextStep.SPLIT:
                is_suspected = decision.kind is FailureKind.NO_ANSWER
                if is_suspected:
                    self._size.too_large(part.batch.rows)
                bisection.split(is_suspected=is_suspected)
            case NextStep.TRY_AGAIN:
                bisection.write_again(decision.part)
            case NextStep.REFUSE:
                bisection.refuse(decision)
            case NextStep.SET_ASIDE | NextStep.DOUBT:
                await self._set_aside(bisection, decision)
            case NextStep.HOLD:
                await self._hold(bisection, decision.error, decision.why)
            case _:
                await self._retry(bisection, decision)

    async def _set_aside(self, bisection: BatchBisection, decision: Decision) -> None:
        """Write the other rows first. If the table or its COMMIT refuses them all, hold the batch instead."""
        bisection.set_row_aside(decision)
        if decision.step is NextStep.DOUBT and bisection.is_dubious:
            await self._hold(bisection, decision.error, decision.why)
        elif bisection.is_fruitless and decision.step is NextStep.SET_ASIDE:
            await self._hold(bisection, decision.error, TABLE_REFUSES_ALL)

    async def _retry(self, bisection: BatchBisection, decision: Decision) -> None:
        """Write the part again after a pause: as far as is known, the infrastructure failed it."""
        if decision.kind is FailureKind.INFRASTRUCTURE and decision.error.session is not None:
            # What blocks this part, such as a lock, may not block the others.
            bisection.postpone(decision.part)
        else:
            bisection.write_again(decision.part)
        await self._pauses.after(decision.error, rows=decision.part.batch.rows)
        if wants_new_session(decision.error.sqlstate):
            await self._store.aclose()

    async def _hold(self, bisection: BatchBisection, error: PostgresError, why: str) -> None:
        """Count no failure, and begin again with all that is not committed and what waits to be written.

        It is inserted with the clause that copies of sound rows are tried with, ON CONFLICT.
        """
        if self._known.seen is not None:
            await self._prove_seen(bisection)
        rest = Batch.merge(bisection.rest)
        is_schema = why == SCHEMA_DIFFERS
        await self._pauses.held(error, why, rows=rest.rows, is_schema=is_schema)
        waiting = self._callbacks.take_waiting(rest.rows)
        whole = Batch.merge([rest, waiting]) if waiting else rest
        self._diagnosis.begin()
        bisection.start_over(whole, WriteRoute.INSERT_NEW)

    def _leave(self, bisection: BatchBisection) -> None:
        """Leave records pending that the table does not take: others of the batch were committed."""
        if not (left := bisection.set_aside):
            return
        self._callbacks.leave_pending(Batch.merge([each.record for each in left]))
        error = left[0].reason.error
        self._journal.records_left(n=len(left), sqlstate=error.sqlstate, error=str(error))


def _first_doubt(bisection: BatchBisection) -> Decision | None:
    """The first decision that keeps a row in flight although all other rows are decided."""
    decisions = (each.reason for each in bisection.set_aside)
    return next((decision for decision in decisions if decision.step is NextStep.DOUBT), None)
