"""Rows that may be in the table already are probed before they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from telemetry._codec import DeviceStates
from tests.support.batches import batch_of, position, rows
from tests.support.commit_harness import unproven_of
from tests.support.stores import rows_of

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.journal.journal import Journal
    from tests.support.commit_harness import CommitHarness

pytestmark = pytest.mark.usefixtures("no_small_batches")


async def test_known_rows_are_not_written_and_their_records_are_receipted_as_duplicates(
    clock: MockClock, commits: CommitHarness, journal: Journal
) -> None:
    await commits.store.insert_new(batch_of([position(1, 0), position(3, 0)]))
    commits.store.writes.clear()
    # The first known row has a repeat.
    batch = batch_of([position(n, 0) for n in (1, 1, 2, 3, 4)])
    assert await commits.commit(batch, unproven_of(batch)) == []
    assert commits.store.writes == [("direct", 2)]
    assert commits.receipted_ids == ["1-0", "2-0", "3-0", "4-0", "5-0"]
    assert [(each.inserted, each.duplicates) for each in commits.receipts] == [(0, 3), (2, 0)]
    assert journal.snapshot().position_writes == {
        "inserted": 2,
        "duplicate": 3,
        "discarded": 0,
        "failed": 0,
    }


async def test_a_batch_whose_rows_are_all_known_is_not_written(
    clock: MockClock, commits: CommitHarness
) -> None:
    batch = rows(30)
    await commits.store.insert_new(batch)
    commits.store.writes.clear()
    assert await commits.commit(batch, unproven_of(batch)) == []
    assert commits.store.writes == []
    assert len(commits.receipted_ids) == 30


async def test_rows_that_are_all_proven_are_written_without_a_probe(
    clock: MockClock, commits: CommitHarness
) -> None:
    assert await commits.commit(rows(30)) == []
    assert (commits.store.probes, commits.store.writes) == ([], [("direct", 30)])


async def test_only_what_is_unproven_is_probed(clock: MockClock, commits: CommitHarness) -> None:
    states = DeviceStates(10)
    proven, unproven = position(1, 60), position(2, 60)
    states.restore([proven["device_id"]], [])
    batch = batch_of([proven, unproven])
    assert await commits.commit(batch, states.unproven(batch)) == []
    assert (commits.store.probes, commits.store.writes) == ([1], [("direct", 2)])


@pytest.mark.parametrize(("days", "way"), [(8, "direct"), (9, "insert_new")])
async def test_keys_of_more_days_than_a_probe_is_worth_are_inserted_unasked(
    clock: MockClock, commits: CommitHarness, days: int, way: str
) -> None:
    batch = batch_of(position(1, -86_400 * day) for day in range(days))
    assert await commits.commit(batch, unproven_of(batch)) == []
    assert commits.store.probes == [days] * (way == "direct")
    assert commits.store.writes == [(way, days)]


@pytest.mark.parametrize("usable", [True, False])
async def test_a_failed_probe_delays_nothing_because_an_insert_needs_none(
    clock: MockClock, commits: CommitHarness, journal: Journal, *, usable: bool
) -> None:
    batch = rows(20)
    await commits.store.insert_new(rows(5))
    commits.store.writes.clear()
    sqlstate = "57014" if usable else None
    commits.store.probe_failures.append(
        commits.store.error("no answer", sqlstate=sqlstate, usable=usable)
    )
    assert await commits.commit(batch, unproven_of(batch)) == []
    assert commits.store.writes == [("insert_new", 20)]
    assert journal.snapshot().position_writes == {
        "inserted": 15,
        "duplicate": 5,
        "discarded": 0,
        "failed": 0,
    }


async def test_a_row_that_a_peer_commits_behind_the_probe_is_a_lost_race_and_inserted_again(
    clock: MockClock, commits: CommitHarness, journal: Journal
) -> None:
    batch = rows(20)
    commits.store.after_probe = lambda: commits.store.table.rows.update(rows_of(rows(3)))
    assert await commits.commit(batch, unproven_of(batch)) == []
    assert commits.store.writes == [("direct", 20), ("insert_new", 20)]
    assert journal.snapshot().position_writes == {
        "inserted": 17,
        "duplicate": 3,
        "discarded": 0,
        "failed": 0,
    }
