"""Writes one batch until each of its records is committed or refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import random

import trio

from processor import events
from processor._codec import Batch
from processor.core.backoff import Backoff
from processor.core.verdicts import (
    Path,
    Step,
    cause_of,
    is_halved,
    next_step,
    settle,
    wants_new_session,
)
from processor.edges.ports import PositionStore
from processor.errors import PostgresError, SchemaMismatch
from processor.tasks.retrying import Dependency


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of a commit: nothing but `Committing` makes one, and nothing is acknowledged without one."""

    batch: Batch
    """Every record of it is in the table, by this commit or an earlier one."""
    inserted: int
    """Rows that were not there before."""

    @property
    def duplicates(self) -> int:
        """Records whose key was in the table already, or earlier in the batch."""
        return self.batch.records - self.inserted


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that the server refuses for its own sake."""

    record: Batch
    """Of one record."""
    error: PostgresError


@dataclass(frozen=True, slots=True)
class _Part:
    batch: Batch
    path: Path


class Committing:
    """The life of one batch between the channel and its receipts.

    A batch that fails for the world's reasons stays here and is written again. One that the server
    refuses because of a row is halved until the row stands alone, so that its neighbours are
    committed. Cancelled, it leaves what has no receipt yet pending in Redis.
    """

    def __init__(
        self,
        store: PositionStore,
        batch: Batch,
        emit: Callable[[Receipt], Awaitable[None]],
        *,
        postgres: Dependency,
        backoff: Backoff,
    ) -> None:
        self._store = store
        self._batch = batch
        self._emit = emit
        self._postgres = postgres
        self._backoff = backoff
        self._parts = [_Part(batch, Path.DIRECT)]
        self._inserted = 0
        self._committed = 0
        self._failures = 0
        self._refusals: list[Refusal] = []

    async def run(self) -> list[Refusal]:
        """Write the batch; what is committed is emitted as receipts, what is refused is returned."""
        began = trio.current_time()
        while self._parts:
            part = self._parts.pop()
            try:
                await self._write(part)
            except PostgresError as error:
                await self._after_failure(part, error)
        events.batch_written(
            self._postgres.log,
            inserted=self._inserted,
            duplicates=self._committed - self._inserted,
            failed=len(self._refusals),
            duration_ms=(trio.current_time() - began) * 1000,
        )
        return self._refusals

    async def _write(self, part: _Part) -> None:
        began = trio.current_time()
        copy = self._store.copy_direct if part.path is Path.DIRECT else self._store.copy_staged
        receipt = Receipt(part.batch, await copy(part.batch))
        self._failures = 0
        if not self._committed:
            self._try_refused_again()
        self._inserted += receipt.inserted
        self._committed += part.batch.records
        self._postgres.recorder.dependency_ready(self._postgres.name)
        self._postgres.recorder.batch_committed(
            inserted=receipt.inserted,
            duplicates=receipt.duplicates,
            duration_s=trio.current_time() - began,
        )
        await self._emit(receipt)

    async def _after_failure(self, part: _Part, error: PostgresError) -> None:
        cause = cause_of(error.sqlstate, path=part.path, connection_usable=error.connection_usable)
        if part.batch.rows == 1:
            cause = settle(cause, neighbour_committed=self._committed > 0)
        match next_step(cause, rows=part.batch.rows):
            case Step.STAGE:
                self._parts.append(_Part(part.batch, Path.STAGED))
            case Step.SPLIT:
                left, right = part.batch.split()
                self._parts += [_Part(right, part.path), _Part(left, part.path)]
            case Step.REFUSE:
                rest, record = part.batch.take_out(0)
                self._refusals.append(Refusal(record, error))
                if rest.records:
                    self._parts.append(_Part(rest, part.path))
                await self._doubt_the_schema()
            case Step.RETRY:
                await self._retry(part, error)

    async def _retry(self, part: _Part, error: PostgresError) -> None:
        batches: tuple[Batch, ...] = (part.batch,)
        if is_halved(error.sqlstate, failures=self._failures + 1, rows=part.batch.rows):
            batches = part.batch.split()
        # Behind the others: whose fault it was may hang on whether a neighbour commits.
        self._parts[:0] = [_Part(batch, part.path) for batch in batches]
        if wants_new_session(error.sqlstate):
            await self._store.aclose()
        await self._pause(error)

    def _try_refused_again(self) -> None:
        """What was refused before anything was committed may have met a schema that has changed since."""
        self._parts[:0] = [_Part(refusal.record, Path.DIRECT) for refusal in self._refusals]
        self._refusals.clear()

    async def _pause(self, error: PostgresError) -> None:
        self._failures += 1
        pause_ms = self._backoff.pause_ms(self._failures, random) or 0.0
        # A deadlock or a lock that was not to be had says nothing against the server.
        if self._failures > 1 or not error.connection_usable:
            self._postgres.recorder.dependency_lost(self._postgres.name, str(error))
        events.batch_retried(
            self._postgres.log,
            rows=self._batch.rows,
            attempt=self._failures,
            retry_ms=round(pause_ms),
            sqlstate=error.sqlstate,
            error=str(error),
        )
        await trio.sleep(pause_ms / 1000)

    async def _doubt_the_schema(self) -> None:
        """A server that refuses every row may have another table than we think: then it is not the rows' fault.

        Asked after the last row, and after the first already: to have every row refused takes long.
        """
        if self._committed or (self._parts and len(self._refusals) > 1):
            return
        try:
            await self._store.check_schema()
        except SchemaMismatch as mismatch:
            error = PostgresError(
                str(mismatch), where=self._store.where, sqlstate=None, connection_usable=True
            )
            await self._hold(error)
        except PostgresError as error:
            await self._hold(error)

    async def _hold(self, error: PostgresError) -> None:
        self._refusals.clear()
        self._parts = [_Part(self._batch, Path.DIRECT)]
        await self._pause(error)
