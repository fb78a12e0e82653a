"""Writes one batch until each of its records is committed, refused, or left for the table's sake."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from processor.core.attempts import NO_ANSWER, REFUSED_BY_SERVER, Failure, FailureStage
from processor.core.batch_size import BatchSize
from processor.core.bisection import Bisection
from processor.core.parts import Part
from processor.core.scattered_keys import is_worth_probing
from processor.core.write_errors import FailureKind, NextStep, WriteRoute, wants_new_session
from processor.edges.ports import Commit, PositionStore
from processor.errors import PostgresError
from processor.journal.journal import Journal
from processor.settling.receipts import Receipt, Sighted, written
from processor.writing.judging import Judging, Ruling, charge_of
from processor.writing.pausing import Pauses
from telemetry._codec import Batch, Keys
from telemetry.chassis import clocks
from telemetry.chassis.backoff import Backoff

TABLE_REFUSES_ALL = "the table refuses every row, copies of sound ones too"


def failure_of(record: Batch, ruling: Ruling, *, on_trial: bool = False) -> Failure:
    """The failure of a record that PostgreSQL refuses for its own sake, or that it never answers."""
    error = ruling.error
    return Failure(
        entry_id=record.entry_ids[0],
        failed_at_ms=clocks.unix_ms(),
        stage=FailureStage.WRITE,
        code=NO_ANSWER if ruling.kind is FailureKind.NO_ANSWER else REFUSED_BY_SERVER,
        error=str(error),
        device_id=record.device_ids[0],
        sqlstate=error.sqlstate,
        on_trial=on_trial,
    )


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a batch is written for: where its parts go, and where more of it comes from."""

    emit: Callable[[Receipt], Awaitable[None]]
    """Takes what is committed."""
    leave: Callable[[Batch], None]
    """Takes what stays pending without an attempt."""
    neighbours: Callable[[int], Batch | None]
    """What else there is to write, if anything, beside that number of rows."""


class Committing:
    """The life of one batch between the channel and its receipts.

    Rows that the table has already are found by a probe, so that the rest can be copied directly; that
    they were seen is no proof, which the next commit on the same session is. A batch that fails for the
    infrastructure's reasons stays here and is written again. One that the server refuses is dissected
    until the row stands alone, so that its neighbours are committed. Cancelled, it leaves what has no
    receipt yet pending in Redis.
    """

    def __init__(
        self,
        store: PositionStore,
        around: Surroundings,
        *,
        size: BatchSize,
        journal: Journal,
        backoff: Backoff,
    ) -> None:
        self._store = store
        self._around = around
        self._size = size
        self._journal = journal
        self._pauses = Pauses(journal, backoff)
        self._judging = Judging(store, self._pauses)
        self._sighted: Sighted | None = None
        self._inserted = self._discarded = self._committed = 0

    async def run(self, batch: Batch, unproven: Keys) -> list[Failure]:
        """Write a batch, of which the keys `unproven` may be in the table; what is refused is returned."""
        began = clocks.elapsing_s()
        self._inserted = self._discarded = self._committed = 0
        self._sighted = None
        self._pauses.begin()
        self._judging.begin()
        whole = await self._without_known(batch, unproven)
        dissection = Bisection[Batch, Ruling](whole.batch, whole.path)
        await self._dissect(dissection)
        failures = [failure_of(each.record, each.reason) for each in dissection.refused]
        self._leave(dissection)
        # Whatever it was, it was decided: a refusal is an answer, too.
        self._journal.batch_written(
            inserted=self._inserted,
            duplicates=self._committed - self._inserted - self._discarded,
            discarded=self._discarded,
            failed=len(failures),
            duration_ms=(clocks.elapsing_s() - began) * 1000,
        )
        return failures

    async def _without_known(self, batch: Batch, unproven: Keys) -> Part[Batch]:
        """The rows that are still to be written: not those which a probe sees in the table."""
        if not len(unproven):
            return Part(batch, WriteRoute.DIRECT)
        if not is_worth_probing(days=unproven.days, rows=batch.rows):
            return Part(batch, WriteRoute.STAGED)
        try:
            sighting = await self._store.probe(unproven)
        except PostgresError as error:
            # The write will have the same trouble, and deal with it. Staging needs no probe.
            self._journal.keys_not_probed(error=str(error))
            return Part(batch, WriteRoute.STAGED)
        if not sighting.known:
            return Part(batch, WriteRoute.DIRECT)
        rest, seen = batch.drop_known(unproven, sighting.known)
        self._sighted = Sighted(seen, sighting.session)
        return Part(rest, WriteRoute.DIRECT)

    async def _dissect(self, dissection: Bisection[Batch, Ruling]) -> None:
        while True:
            dissection.cut(self._size.rows)
            if part := dissection.part:
                await self._write(dissection, part)
            elif self._sighted is not None:
                await self._prove_sighted(dissection)
            elif (doubt := _first_doubt(dissection)) is not None:
                await self._hold(dissection, doubt.error, doubt.why)
            elif dissection.is_fruitless:
                await self._hold(
                    dissection, dissection.set_aside[0].reason.error, TABLE_REFUSES_ALL
                )
            else:
                return

    async def _write(self, dissection: Bisection[Batch, Ruling], part: Part[Batch]) -> None:
        began = clocks.elapsing_s()
        canary = self._judging.take_canary()
        copy = (
            self._store.copy_direct if part.path is WriteRoute.DIRECT else self._store.copy_staged
        )
        try:
            commit = await copy(part.batch)
        except PostgresError as error:
            await self._after_failure(dissection, part, error, canary)
            return
        self._pauses.answered()
        self._size.went_through(part.batch.rows)
        self._journal.write_timed(clocks.elapsing_s() - began)
        dissection.commit()
        await self._receipt_sighted(dissection, commit)
        await self._receipt(written(part.batch, commit))

    async def _prove_sighted(self, dissection: Bisection[Batch, Ruling]) -> None:
        """Nothing is left to write beside what was seen: an empty commit is its fence."""
        try:
            commit = await self._store.confirm()
        except PostgresError as error:
            self._journal.sighting_not_confirmed(error=str(error))
            self._stage_sighted(dissection)
        else:
            await self._receipt_sighted(dissection, commit)

    async def _receipt_sighted(self, dissection: Bisection[Batch, Ruling], commit: Commit) -> None:
        """Behind a commit of its own session what was seen is proven; else it is written like anything else."""
        if self._sighted is None:
            return
        if (receipt := self._sighted.proven_by(commit)) is None:
            self._stage_sighted(dissection)
            return
        self._sighted = None
        await self._receipt(receipt)

    def _stage_sighted(self, dissection: Bisection[Batch, Ruling]) -> None:
        if self._sighted is not None:
            dissection.add(self._sighted.batch, WriteRoute.STAGED)
            self._sighted = None

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
        await self._around.emit(receipt)

    async def _after_failure(
        self,
        dissection: Bisection[Batch, Ruling],
        part: Part[Batch],
        error: PostgresError,
        canary: Commit | None,
    ) -> None:
        def charge() -> bool:
            entry_id, device_id = part.batch.entry_ids[0], part.batch.device_ids[0]
            return dissection.charge(charge_of(error), entry_id, device_id)

        ruling = await self._judging.rule(
            part,
            error,
            canary=canary,
            is_suspected=part.is_suspected or self._size.suspects(part.batch.rows),
            has_commits=dissection.has_commits,
            charge=charge,
        )
        match ruling.step:
            case NextStep.STAGE:
                dissection.stage()
            case NextStep.SPLIT:
                is_suspected = ruling.kind is FailureKind.NO_ANSWER
                if is_suspected:
                    self._size.too_large(part.batch.rows)
                dissection.split(is_suspected=is_suspected)
            case NextStep.TRY_AGAIN:
                dissection.keep(ruling.part)
            case NextStep.REFUSE:
                dissection.refuse(ruling)
            case NextStep.SET_ASIDE | NextStep.DOUBT:
                await self._put_aside(dissection, ruling)
            case NextStep.HOLD:
                await self._hold(dissection, ruling.error, ruling.why)
            case _:
                await self._retry(dissection, ruling)

    async def _put_aside(self, dissection: Bisection[Batch, Ruling], ruling: Ruling) -> None:
        """The others first; but not one by one, where the table or its COMMIT refuses them all."""
        dissection.put_aside(ruling)
        if ruling.step is NextStep.DOUBT and dissection.is_dubious:
            await self._hold(dissection, ruling.error, ruling.why)
        elif dissection.is_fruitless and ruling.step is NextStep.SET_ASIDE:
            await self._hold(dissection, ruling.error, TABLE_REFUSES_ALL)

    async def _retry(self, dissection: Bisection[Batch, Ruling], ruling: Ruling) -> None:
        """The infrastructure failed the part, as far as is known: once more after a pause."""
        if ruling.kind is FailureKind.INFRASTRUCTURE and ruling.error.session is not None:
            # What is in this part's way may not be in the way of the others.
            dissection.postpone(ruling.part)
        else:
            dissection.keep(ruling.part)
        await self._pauses.after(ruling.error, rows=ruling.part.batch.rows)
        if wants_new_session(ruling.error.sqlstate):
            await self._store.aclose()

    async def _hold(
        self, dissection: Bisection[Batch, Ruling], error: PostgresError, why: str
    ) -> None:
        """Count nothing, and begin again with all that is not committed and what waits beside it.

        Through the staging table, whose statement is the one that copies of sound rows are tried with.
        """
        if self._sighted is not None:
            await self._prove_sighted(dissection)
        rest = Batch.merge(dissection.rest)
        await self._pauses.held(error, why, rows=rest.rows)
        neighbours = self._around.neighbours(rest.rows)
        whole = Batch.merge([rest, neighbours]) if neighbours else rest
        self._judging.begin()
        dissection.begin_again(whole, WriteRoute.STAGED)

    def _leave(self, dissection: Bisection[Batch, Ruling]) -> None:
        """Others were committed beside them: the table's trouble with these is waited for in Redis."""
        if not (left := dissection.set_aside):
            return
        self._around.leave(Batch.merge([each.record for each in left]))
        error = left[0].reason.error
        self._journal.records_left(n=len(left), sqlstate=error.sqlstate, error=str(error))


def _first_doubt(dissection: Bisection[Batch, Ruling]) -> Ruling | None:
    """Why a row stays in flight although the others are through."""
    rulings = (each.reason for each in dissection.set_aside)
    return next((ruling for ruling in rulings if ruling.step is NextStep.DOUBT), None)
