"""Writes one batch until each of its records is committed or refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import random

import trio

from processor import events, wall_clock
from processor._codec import Batch, Keys
from processor.core.attempts import REFUSED_BY_SERVER, Failure, Stage
from processor.core.backoff import Backoff
from processor.core.dissection import Dissection, Part
from processor.core.scattered_keys import is_worth_probing
from processor.core.verdicts import (
    Path,
    Step,
    cause_of,
    doubts_the_schema,
    is_halved,
    next_step,
    wants_new_session,
)
from processor.edges.ports import PositionStore
from processor.errors import PostgresError, SchemaMismatch
from processor.tasks.retrying import Dependency


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that records are in the table; nothing is acknowledged without one.

    This module alone makes them, behind a returned commit or a probe that found the rows.
    """

    batch: Batch
    """Every record of it is in the table, by this commit or an earlier one."""
    inserted: int
    """Rows that were not there before."""

    @property
    def duplicates(self) -> int:
        """Records whose key was in the table already, or earlier in the batch."""
        return self.batch.records - self.inserted


async def commit_alone(store: PositionStore, batch: Batch) -> Receipt:
    """Commit a batch with one statement that any duplicate may meet. Raises PostgresError."""
    return Receipt(batch, (await store.copy_staged(batch)).inserted)


def server_refusal(record: Batch, error: PostgresError, *, on_trial: bool = False) -> Failure:
    """The failure of a record that PostgreSQL refuses for its own sake."""
    return Failure(
        entry_id=record.entry_ids[0],
        failed_at_ms=wall_clock.unix_ms(),
        stage=Stage.WRITE,
        code=REFUSED_BY_SERVER,
        error=str(error),
        device_id=record.device_ids[0],
        sqlstate=error.sqlstate,
        on_trial=on_trial,
    )


class Committing:
    """The life of one batch between the channel and its receipts.

    Rows that the table has already are found by a probe, so that the rest can be copied directly. A
    batch that fails for the world's reasons stays here and is written again. One that the server
    refuses because of a row is dissected until the row stands alone, so that its neighbours are
    committed. Cancelled, it leaves what has no receipt yet pending in Redis.
    """

    def __init__(
        self,
        store: PositionStore,
        emit: Callable[[Receipt], Awaitable[None]],
        neighbours: Callable[[int], Batch | None],
        *,
        postgres: Dependency,
        backoff: Backoff,
    ) -> None:
        """`emit` takes what is committed.

        `neighbours` gives what else there is to write, if anything, beside so many rows.
        """
        self._store = store
        self._emit = emit
        self._neighbours = neighbours
        self._postgres = postgres
        self._backoff = backoff
        self._inserted = 0
        self._committed = 0
        self._failures = 0

    async def run(self, batch: Batch, unproven: Keys) -> list[Failure]:
        """Write a batch, of which the keys `unproven` may be in the table; what is refused is returned."""
        began = trio.current_time()
        self._inserted = self._committed = self._failures = 0
        refusals = await self._dissect(await self._without_known(batch, unproven))
        # Whatever it was, it was decided: a refusal is an answer, too.
        self._postgres.recorder.dependency_ready(self._postgres.name)
        self._postgres.recorder.records_failed(len(refusals))
        events.batch_written(
            self._postgres.log,
            inserted=self._inserted,
            duplicates=self._committed - self._inserted,
            failed=len(refusals),
            duration_ms=(trio.current_time() - began) * 1000,
        )
        return refusals

    async def _without_known(self, batch: Batch, unproven: Keys) -> Part[Batch]:
        """The rows that are still to be written: not those which a probe finds in the table."""
        if not len(unproven):
            return Part(batch, Path.DIRECT)
        if not is_worth_probing(days=unproven.days, rows=batch.rows):
            return Part(batch, Path.STAGED)
        try:
            known = (await self._store.probe(unproven)).known
        except PostgresError as error:
            # The write will meet the same trouble, and deal with it. Staging needs no probe.
            self._postgres.log.debug(f"the keys were not probed: {error}")  # noqa: G004
            return Part(batch, Path.STAGED)
        if not known:
            return Part(batch, Path.DIRECT)
        rest, found = batch.drop_known(unproven, known)
        await self._receipt(Receipt(found, inserted=0))
        return Part(rest, Path.DIRECT)

    async def _dissect(self, whole: Part[Batch]) -> list[Failure]:
        if not whole.batch.records:
            return []
        dissection = Dissection[Batch, PostgresError](whole.batch, whole.path)
        while part := dissection.part:
            try:
                await self._write(part)
            except PostgresError as error:
                await self._after_failure(dissection, part, error)
            else:
                dissection.commit()
        return [server_refusal(each.record, each.reason) for each in dissection.refused]

    async def _write(self, part: Part[Batch]) -> None:
        began = trio.current_time()
        copy = self._store.copy_direct if part.path is Path.DIRECT else self._store.copy_staged
        commit = await copy(part.batch)
        self._failures = 0
        self._postgres.recorder.dependency_ready(self._postgres.name)
        self._postgres.recorder.write_timed(trio.current_time() - began)
        await self._receipt(Receipt(part.batch, commit.inserted))

    async def _receipt(self, receipt: Receipt) -> None:
        self._inserted += receipt.inserted
        self._committed += receipt.batch.records
        self._postgres.recorder.records_written(
            inserted=receipt.inserted, duplicates=receipt.duplicates
        )
        await self._emit(receipt)

    async def _after_failure(
        self, dissection: Dissection[Batch, PostgresError], part: Part[Batch], error: PostgresError
    ) -> None:
        cause = cause_of(error.sqlstate, path=part.path, connection_usable=error.connection_usable)
        match next_step(cause, rows=part.batch.rows):
            case Step.STAGE:
                dissection.stage()
            case Step.SPLIT:
                dissection.split()
            case Step.REFUSE:
                dissection.refuse(error)
                await self._doubt(dissection)
            case Step.DOUBT:
                dissection.doubt(error)
                await self._doubt(dissection)
            case Step.RETRY:
                failures, rows = self._failures + 1, part.batch.rows
                halved = is_halved(error.sqlstate, failures=failures, rows=rows)
                dissection.postpone(halved=halved)
                await self._pause(part.batch, await self._explained(error))
                if wants_new_session(error.sqlstate):
                    await self._store.aclose()

    async def _doubt(self, dissection: Dissection[Batch, PostgresError]) -> None:
        """Is it the rows' fault at all? A server that refuses every row may have another table than we think."""
        whole = dissection.batch
        if dissection.asks_for_the_schema and (trouble := await self._schema_trouble()):
            await self._pause(whole, trouble)
            dissection.begin_again(whole)
        if dissection.blames_the_world:
            await self._pause(whole, dissection.doubtful_reason)
            # A neighbour that is committed will tell whose fault it is.
            neighbours = self._neighbours(whole.rows)
            dissection.begin_again(Batch.merge([whole, neighbours]) if neighbours else whole)

    async def _explained(self, error: PostgresError) -> PostgresError:
        """An error that speaks of a changed table is answered with how it differs, if it does."""
        if not doubts_the_schema(error.sqlstate):
            return error
        return await self._schema_trouble() or error

    async def _schema_trouble(self) -> PostgresError | None:
        try:
            await self._store.check_schema()
        except SchemaMismatch as mismatch:
            where = self._store.where
            return PostgresError(str(mismatch), where=where, sqlstate=None, connection_usable=True)
        except PostgresError as error:
            return error
        return None

    async def _pause(self, batch: Batch, error: PostgresError) -> None:
        self._failures += 1
        pause_ms = self._backoff.pause_ms(self._failures, random) or 0.0
        # A deadlock or a lock that was not to be had says nothing against the server.
        if self._failures > 1 or wants_new_session(error.sqlstate):
            self._postgres.recorder.dependency_lost(self._postgres.name, str(error))
        self._postgres.recorder.write_retried(error.sqlstate)
        events.batch_retried(
            self._postgres.log,
            rows=batch.rows,
            attempt=self._failures,
            retry_ms=round(pause_ms),
            sqlstate=error.sqlstate,
            error=str(error),
        )
        await trio.sleep(pause_ms / 1000)
