"""Edges that each break one guarantee: the tests show that the simulation notices each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from processor.core.attempts import Failure, Fate, Recorded
from processor.core.bisection import Part
from processor.core.write_errors import Evidence
from processor.edges.ports import Commit, ProbeResult, QueueLook, SweepResult
from processor.settling.receipts import written
from processor.writing.committing import Committing
from tests.support.fakes.redis import FakePending, parse_id
from tests.support.fakes.store import FakeStore
from tests.support.fakes.stream import FakeStream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from telemetry._codec import Batch, Delivery, Keys
    from tests.support.fakes.rows import Key, Row


class DroppingStore(FakeStore):
    """Reports a commit that did not happen."""

    async def copy_direct(self, batch: Batch) -> Commit:
        return Commit(self.connects, len(await self._receive(batch)))

    insert_new = copy_direct


class CarelessStore(FakeStore):
    """Writes a row whether or not its key is in the table."""

    async def probe(self, keys: Keys) -> ProbeResult:
        return replace(await super().probe(keys), known=b"")

    async def copy_direct(self, batch: Batch) -> Commit:
        rows = await self._receive(batch)
        self.table.rows |= rows
        return Commit(self.connects, len(rows))

    insert_new = copy_direct


class StrandingStream(FakeStream):
    """Cancels a read while its reply is on the way."""

    async def read_new(self, count: int, block_ms: int) -> Delivery:
        delivery = await super().read_new(count, block_ms)
        await trio.lowlevel.checkpoint()
        return delivery


class ForgettingStream(FakeStream):
    """Reads without a pending list, as XREADGROUP with NOACK does."""

    async def read_new(self, count: int, block_ms: int) -> Delivery:
        delivery = await super().read_new(count, block_ms)
        self.redis.acknowledge(map(parse_id, delivery.batch.entry_ids))
        return delivery


class TwoStepStream(FakeStream):
    """Writes the dead letter in one step, and acknowledges in another."""

    async def record_failures(
        self, failures: Sequence[Failure], *, attempts_max: int
    ) -> list[Recorded]:
        before = {each.entry_id: self.redis.attempts.get(each.entry_id) for each in failures}
        answers = await super().record_failures(failures, attempts_max=attempts_max)
        for failure, recorded in zip(failures, answers, strict=True):
            if recorded.fate is Fate.DEAD_LETTERED:
                key = parse_id(failure.entry_id)
                self.redis.pending[key] = FakePending(self._consumer)
                self.redis.attempts[failure.entry_id] = before[failure.entry_id] or "{}"
                await trio.lowlevel.checkpoint()
                self.redis.acknowledge([key])
                del self.redis.attempts[failure.entry_id]
        return answers


class MutilatingStream(FakeStream):
    """Keeps of a dead letter everything but its payload."""

    async def record_failures(
        self, failures: Sequence[Failure], *, attempts_max: int
    ) -> list[Recorded]:
        answers = await super().record_failures(failures, attempts_max=attempts_max)
        for letter in self.redis.dead_letters:
            letter.pop("payload", None)
        return answers


class MistakenStream(FakeStream):
    """Records every failure under the same code."""

    async def record_failures(
        self, failures: Sequence[Failure], *, attempts_max: int
    ) -> list[Recorded]:
        mistaken = [replace(failure, code="bad_type") for failure in failures]
        return await super().record_failures(mistaken, attempts_max=attempts_max)


class ImpatientStream(FakeStream):
    """Raises what no task expects of an edge."""

    async def look(self) -> QueueLook:
        raise TimeoutError


class HastyStream(FakeStream):
    """Judges a position only by the time in its entry's id."""

    async def _judged(self, delivery: Delivery) -> Delivery:
        return delivery.judged(0)


class KeepingStream(FakeStream):
    """Keeps the recorded failures of settled entries."""

    async def ack(self, batch: Batch, *, attempted: Sequence[str] = ()) -> int:
        del attempted
        return await super().ack(batch)

    async def sweep_attempts(self) -> SweepResult:
        return SweepResult(0, frozenset(self.redis.attempts))


async def acknowledge_before_commit(self: Committing, part: Part[Batch]) -> Commit:
    """In place of `Committing._commit`: the receipt goes out first."""
    await self._receipt(written(part.batch, Commit(0, part.batch.rows)))
    return await self._store.insert_new(part.batch)


async def settled_already(self: Committing, part: Batch, commit: Commit) -> None:
    """In place of `Committing._settle`, behind the former."""


class BlamingStore(FakeStore):
    """Blames the record for every refusal, without evidence from the table."""

    async def gather_evidence(self, accused: Batch, *, entry_ms: int) -> Evidence:
        await super().gather_evidence(accused, entry_ms=entry_ms)
        return Evidence.RECORD


class UnfencedStore(FakeStore):
    """Counts a write of only duplicates as a commit, although nothing was written to the log."""

    async def insert_new(self, batch: Batch) -> Commit:
        rows = await self._receive(batch)
        if rows.keys() <= self.table.rows.keys():
            return Commit(self.connects, inserted=0)
        return await super().insert_new(batch)

    async def confirm(self) -> Commit:
        await self._begin()
        return Commit(self.connects, inserted=0)


class CancellingStore(FakeStore):
    """Stops waiting for a standby, which makes the rows visible, and counts that as a commit."""

    async def _commit(self, rows: Mapping[Key, Row]) -> Commit:
        with trio.move_on_after(1):
            return await super()._commit(rows)
        self.table.show()
        return Commit(self.connects, len(rows))


_run = Committing.run


async def receipt_at_sight(self: Committing, batch: Batch, unproven: Keys) -> list[Failure]:
    """In place of `Committing.run`: rows that a probe finds are acknowledged at once."""
    probed = await self._store.probe(unproven)
    rest, found = batch.drop_known(unproven, probed.known)
    await self._receipt(written(found, Commit(probed.session, 0)))
    return await _run(self, rest, unproven) if rest.records else []
