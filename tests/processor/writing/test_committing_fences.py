"""Rows that a probe has seen are proven only by a commit of the same session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from processor.edges.ports import Commit
from processor.settling.receipts import SeenRows
from tests.support.batches import batch_of, position, rows
from tests.support.commit_harness import unproven_of

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.journal.journal import Journal
    from telemetry._codec import Batch
    from tests.support.commit_harness import CommitHarness

pytestmark = pytest.mark.usefixtures("no_small_batches")


@pytest.fixture
def batch() -> Batch:
    return rows(30)


async def stored(commits: CommitHarness, batch: Batch) -> None:
    await commits.store.insert_new(batch)
    commits.store.writes.clear()


def test_rows_that_were_seen_have_no_receipt_behind_a_commit_of_another_session(
    batch: Batch,
) -> None:
    seen = SeenRows(batch, session=3)
    assert seen.proven_by(Commit(4, inserted=7)) is None
    receipt = seen.proven_by(Commit(3, inserted=7))
    assert receipt is not None
    assert (receipt.inserted, receipt.duplicates) == (0, 30)


async def test_the_batchs_own_commit_is_the_fence_and_costs_no_statement(
    clock: MockClock, commits: CommitHarness, batch: Batch
) -> None:
    await stored(commits, rows(10))
    assert await commits.commit(batch, unproven_of(batch)) == []
    assert commits.store.writes == [("direct", 20)]
    assert (commits.store.confirms, commits.store.canaries) == (0, 0)
    assert len(commits.receipted_ids) == 30


async def test_what_a_commit_wrote_is_known_before_the_receipt_of_the_rows_that_it_proves(
    clock: MockClock, commits: CommitHarness, batch: Batch
) -> None:
    """A stop may cut the way of that receipt."""
    await stored(commits, rows(10))
    with trio.CancelScope() as scope:
        commits.before_receipt = lambda _: scope.cancel()
        await commits.commit(batch, unproven_of(batch))
    assert scope.cancelled_caught
    assert commits.receipts == []
    assert [each.records for each in commits.committed] == [20]


async def test_where_nothing_is_left_to_write_an_empty_commit_is_the_fence(
    clock: MockClock, commits: CommitHarness, batch: Batch
) -> None:
    await stored(commits, batch)
    assert await commits.commit(batch, unproven_of(batch)) == []
    assert (commits.store.writes, commits.store.confirms) == ([], 1)
    assert len(commits.receipted_ids) == 30


async def test_nothing_seen_is_receipted_while_no_standby_confirms_a_commit(
    clock: MockClock, nursery: trio.Nursery, commits: CommitHarness, batch: Batch
) -> None:
    await stored(commits, batch)
    commits.store.table.standby_leaves()
    nursery.start_soon(commits.commit, batch, unproven_of(batch))
    await trio.sleep(600)
    assert commits.receipts == []
    commits.store.table.standby_returns()
    await trio.sleep(1)
    assert len(commits.receipted_ids) == 30


async def test_rows_that_were_seen_and_did_not_survive_the_promotion_are_written(
    clock: MockClock, nursery: trio.Nursery, commits: CommitHarness, batch: Batch
) -> None:
    table = commits.store.table
    await commits.store.connect()
    table.standby_leaves()
    with trio.move_on_after(1):
        await commits.store.insert_new(batch)
    # After a crash they are visible, and still unconfirmed.
    table.restart()
    assert len(table.rows) == 30
    nursery.start_soon(commits.commit, batch, unproven_of(batch))
    await trio.sleep(600)
    assert commits.receipts == []
    table.promote()
    assert table.rows == {}
    await trio.sleep(60)
    assert len(commits.receipted_ids) == len(table.rows) == 30


@pytest.mark.parametrize("known", [10, 30])
async def test_rows_seen_by_a_lost_session_are_written_like_any_others(
    clock: MockClock, commits: CommitHarness, journal: Journal, batch: Batch, known: int
) -> None:
    await stored(commits, rows(known))

    def end_the_session() -> None:
        commits.store.after_probe = lambda: None
        commits.store.table.life += 1

    commits.store.after_probe = end_the_session
    assert await commits.commit(batch, unproven_of(batch)) == []
    assert ("insert_new", known) in commits.store.writes
    assert len(commits.receipted_ids) == 30
    assert {each.commit.session for each in commits.receipts} == {commits.store.connects}
    counted = journal.snapshot().position_writes
    assert (counted["inserted"], counted["duplicate"]) == (30 - known, known)


async def test_what_was_seen_is_proven_though_everything_else_is_refused(
    clock: MockClock, commits: CommitHarness
) -> None:
    await stored(commits, rows(10))
    commits.store.speed_max = 200
    fast = [position(n, 60, speed=250) for n in range(5)]
    batch = batch_of([*(position(n, 0) for n in range(10)), *fast])
    assert len(await commits.commit(batch, unproven_of(batch))) == 5
    assert commits.store.confirms == 1
    assert len(commits.receipted_ids) == 10


async def test_what_was_seen_is_proven_before_everything_else_is_held(
    clock: MockClock, nursery: trio.Nursery, commits: CommitHarness, batch: Batch
) -> None:
    await stored(commits, rows(10))
    commits.store.table.refuses_all = "54000"
    nursery.start_soon(commits.commit, batch, unproven_of(batch))
    await trio.sleep(60)
    assert len(commits.receipted_ids) == 10
    assert commits.store.confirms == 1
    commits.store.table.refuses_all = None
    await trio.sleep(60)
    assert len(commits.receipted_ids) == 30
