"""A small batch is inserted in one statement, without a probe; what a trigger discards is still counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from processor.core.small_batches import ROWS_MAX
from processor.edges.ports import ProbeResult
from telemetry._codec import DeviceStates
from tests.support.batches import batch_of, position, rows
from tests.support.commit_harness import unproven_of
from tests.support.stores import rows_of

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.journal.journal import Journal
    from telemetry._codec import Keys
    from tests.support.commit_harness import CommitHarness


def written(journal: Journal) -> tuple[int, int, int]:
    """(inserted, duplicates, discarded)."""
    counted = journal.snapshot().position_writes
    return counted["inserted"], counted["duplicate"], counted["discarded"]


async def test_a_small_batch_is_one_statement_whatever_is_in_the_table(
    clock: MockClock, commits: CommitHarness, journal: Journal
) -> None:
    await commits.store.insert_new(rows(7))
    commits.store.writes.clear()
    batch = rows(ROWS_MAX)
    assert await commits.commit(batch, unproven_of(batch)) == []
    assert commits.store.writes == [("insert_new", ROWS_MAX)]
    assert (commits.store.probes, commits.store.confirms) == ([], 0)
    assert written(journal) == (ROWS_MAX - 7, 7, 0)


async def test_a_larger_batch_is_probed_and_copied(
    clock: MockClock, commits: CommitHarness
) -> None:
    batch = rows(ROWS_MAX + 1)
    assert await commits.commit(batch, unproven_of(batch)) == []
    assert commits.store.writes == [("direct", ROWS_MAX + 1)]
    assert commits.store.probes == [ROWS_MAX + 1]


async def test_rows_that_are_neither_inserted_nor_in_the_table_were_discarded(
    clock: MockClock, commits: CommitHarness, journal: Journal
) -> None:
    known, dropped, new = (position(number, 60) for number in range(3))
    commits.store.table.rows.update(rows_of(batch_of([known])))
    commits.store.table.discarded_devices = {dropped["device_id"]}
    states = DeviceStates(10)
    states.restore([dropped["device_id"], new["device_id"]], [])
    batch = batch_of([known, dropped, new])
    assert await commits.commit(batch, states.unproven(batch)) == []
    assert written(journal) == (1, 1, 1)
    assert len(commits.receipted_ids) == 3


async def test_rows_that_a_peer_has_written_first_are_duplicates(
    clock: MockClock, commits: CommitHarness, journal: Journal
) -> None:
    """The device states know nothing of it: they take every row for new."""
    commits.store.table.rows.update(rows_of(rows(3)))
    assert await commits.commit(rows(5)) == []
    assert written(journal) == (2, 3, 0)


async def test_rows_are_no_discarded_ones_where_a_trigger_changes_their_keys(
    clock: MockClock, commits: CommitHarness, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits.store.table.rows.update(rows_of(rows(3)))

    async def find_nothing(_keys: Keys) -> ProbeResult:
        return ProbeResult(commits.store.connects, b"")

    monkeypatch.setattr(commits.store, "probe", find_nothing)
    assert await commits.commit(rows(5)) == []
    assert written(journal) == (2, 3, 0)


async def test_where_the_table_cannot_be_asked_nothing_counts_as_discarded(
    clock: MockClock, commits: CommitHarness, journal: Journal
) -> None:
    commits.store.table.discarded_devices = {position(1, 0)["device_id"]}
    commits.store.probe_failures.append(commits.store.error("no answer", sqlstate="57014"))
    assert await commits.commit(batch_of([position(1, 0), position(2, 0)])) == []
    assert written(journal) == (1, 1, 0)
    assert len(commits.receipted_ids) == 2


async def test_what_is_committed_is_known_before_the_table_is_asked_what_it_discarded(
    clock: MockClock, commits: CommitHarness
) -> None:
    """A stop may come while the table does not answer."""
    commits.store.table.discarded_devices = {position(1, 0)["device_id"]}
    known: list[int] = []
    commits.store.after_probe = lambda: known.extend(each.records for each in commits.committed)
    assert await commits.commit(batch_of([position(1, 0), position(2, 0)])) == []
    assert known == [2]


async def test_a_write_whose_answer_was_lost_leaves_nothing_to_be_told(
    clock: MockClock, commits: CommitHarness, journal: Journal
) -> None:
    commits.store.table.rows.update(rows_of(rows(5)))
    commits.store.failures.append(commits.store.error("connection lost", usable=False))
    assert await commits.commit(rows(5)) == []
    assert written(journal) == (0, 5, 0)
    assert commits.store.probes == []
