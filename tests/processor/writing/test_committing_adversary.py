"""Against a server with random answers every record ends in one class, and no batch is tried without pauses."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import trio

from processor.core.write_errors import Evidence
from processor.edges.ports import Commit
from tests.support.batches import rows
from tests.support.commit_harness import refused_ids, unproven_of
from tests.support.stores import SpyStore, rows_of

if TYPE_CHECKING:
    from trio.testing import MockClock

    from telemetry._codec import Batch
    from tests.support.commit_harness import CommitHarness
    from tests.support.fakes.table import FakeTable

ROWS = 48
# Virtual seconds, after which the server is sound.
MALICE_S = 60.0
REFUSALS = ("23514", "42883", "54000", "P0001", "0A000", "XX000")
EVIDENCE: list[Evidence] = [*Evidence]
LOSSES = (None, "57P01", "57014", "53200", "08006")
TROUBLES = ("53100", "40001", "25006", "55P03")


class Adversary(SpyStore):
    """Answers at random, and counts the calls at each moment."""

    def __init__(self, chance: random.Random, table: FakeTable) -> None:
        super().__init__(table)
        self._chance = chance
        self.asked_at: Counter[float] = Counter()

    def answer(self, *, of_write: bool) -> None:
        self.asked_at[trio.current_time()] += 1
        if trio.current_time() > MALICE_S:
            return
        match self._chance.randrange(5 if of_write else 3):
            case 0:
                sqlstate = self._chance.choice(LOSSES)
                usable = sqlstate in {"57014", "53200"}
                raise self.error("no answer", sqlstate=sqlstate, usable=usable)
            case 1:
                raise self.error("trouble", sqlstate=self._chance.choice(TROUBLES))
            case 2 | 3 if of_write:
                raise self.error("refused", sqlstate=self._chance.choice(REFUSALS))

    async def copy_direct(self, batch: Batch) -> Commit:
        await self.connect()
        self.answer(of_write=True)
        return await super().copy_direct(batch)

    async def insert_new(self, batch: Batch) -> Commit:
        await self.connect()
        self.answer(of_write=True)
        return await super().insert_new(batch)

    async def gather_evidence(self, accused: Batch, *, entry_ms: int) -> Evidence:
        await self.connect()
        self.answer(of_write=False)
        if trio.current_time() > MALICE_S:
            return await super().gather_evidence(accused, entry_ms=entry_ms)
        return self._chance.choice(EVIDENCE)

    async def try_canary(self) -> Commit:
        await self.connect()
        self.answer(of_write=False)
        return await super().try_canary()


@pytest.mark.parametrize("seed", range(60))
async def test_whatever_a_server_answers_a_batch_comes_to_an_end_with_pauses_on_the_way(
    clock: MockClock, commits: CommitHarness, seed: int
) -> None:
    chance = random.Random(seed)
    store = Adversary(chance, commits.store.table)
    store.table.rows.update(rows_of(rows(7)))
    commits.use(store)
    batch = rows(ROWS)
    refusals = await commits.commit(batch, unproven_of(batch) if seed % 2 else None)
    decided = Counter(commits.receipted_ids + refused_ids(refusals) + commits.left)
    assert decided == Counter(batch.entry_ids)
    assert set(commits.receipted_ids) <= ids_in(batch, store.table)
    # Each row costs its halvings, a repeat through staging, and its questions; more calls come only after a pause.
    assert max(store.asked_at.values()) <= 6 * ROWS


def ids_in(batch: Batch, table: FakeTable) -> set[str]:
    """The entries of a batch whose rows are in the table."""
    return {
        entry_id
        for entry_id, key in zip(batch.entry_ids, rows_of(batch), strict=True)
        if key in table.rows
    }
