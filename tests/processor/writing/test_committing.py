from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import trio

from processor.core.attempts import FailureStage
from telemetry.chassis import clocks
from tests.support.batches import batch_of, position, rows
from tests.support.commit_harness import lost, refused_ids
from tests.support.stores import keys_of

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.journal.journal import Journal
    from tests.processor.conftest import LogLines
    from tests.support.commit_harness import CommitHarness


async def test_a_committed_batch_gives_one_receipt(
    clock: MockClock, commits: CommitHarness, journal: Journal
) -> None:
    batch = batch_of([position(1, 0), position(1, 0), position(2, 0)])
    assert await commits.commit(batch) == []
    [receipt] = commits.receipts
    assert (receipt.inserted, receipt.duplicates) == (2, 1)
    assert commits.receipted_ids == ["1-0", "2-0", "3-0"]
    counted = journal.snapshot().position_writes
    assert counted == {"inserted": 2, "duplicate": 1, "discarded": 0, "failed": 0}


@pytest.mark.usefixtures("no_small_batches")
async def test_what_the_infrastructure_fails_is_written_again_whole_with_growing_pauses(
    clock: MockClock, commits: CommitHarness, journal: Journal, logged: LogLines
) -> None:
    for sqlstate in (None, "57P01", "40P01", "53300", "42501"):
        lost(commits.store, sqlstate)
    seen: list[bool] = []
    commits.store.before_write = lambda: seen.append(
        journal.snapshot().dependencies["postgres"].ready
    )
    began = trio.current_time()
    assert await commits.commit(rows(20)) == []
    assert commits.store.writes == [("direct", 20)] * 6
    assert seen == [False] * 6
    assert journal.snapshot().dependencies["postgres"].ready
    assert journal.snapshot().position_writes == {
        "inserted": 20,
        "duplicate": 0,
        "discarded": 0,
        "failed": 0,
    }
    assert 0 < trio.current_time() - began <= 0.1 + 0.2 + 0.4 + 0.8 + 1.6
    retried = logged.fields("batch failed and is written again")
    assert [line["attempt"] for line in retried] == [1, 2, 3, 4, 5]
    assert [line["sqlstate"] for line in retried] == [None, "57P01", "40P01", "53300", "42501"]
    assert all(line["retry_ms"] <= 100 << n for n, line in enumerate(retried))


@pytest.mark.usefixtures("no_small_batches")
async def test_a_batch_that_lost_a_race_is_inserted_at_once(
    clock: MockClock, commits: CommitHarness, journal: Journal
) -> None:
    await commits.commit(rows(10))
    began = trio.current_time()
    await commits.commit(rows(15))
    assert commits.store.writes == [("direct", 10), ("direct", 15), ("insert_new", 15)]
    assert trio.current_time() == began
    assert journal.snapshot().position_writes == {
        "inserted": 15,
        "duplicate": 10,
        "discarded": 0,
        "failed": 0,
    }
    assert journal.snapshot().dependencies["postgres"].ready


async def test_a_commit_whose_answer_was_lost_is_found_by_the_second_try(
    clock: MockClock, commits: CommitHarness
) -> None:
    batch = rows(5)
    await commits.store.copy_direct(batch)
    await commits.commit(batch)
    assert [(each.inserted, each.duplicates) for each in commits.receipts] == [(0, 5)]


@pytest.mark.parametrize("bad", [{0}, {63}, {17}, {0, 1, 2, 40}, set(range(0, 64, 2))])
async def test_refused_rows_stand_alone_in_the_end_and_their_neighbours_are_committed(
    clock: MockClock, commits: CommitHarness, bad: set[int]
) -> None:
    commits.store.speed_max = 200
    batch = batch_of(position(n, 0, speed=250 if n in bad else 50) for n in range(64))
    refusals = await commits.commit(batch)
    assert refused_ids(refusals) == sorted(f"{n + 1}-0" for n in bad)
    assert commits.receipted_ids == sorted(f"{n + 1}-0" for n in range(64) if n not in bad)
    assert {(each.stage, each.code, each.sqlstate) for each in refusals} == {
        (FailureStage.WRITE, "refused_by_server", "23514")
    }


async def test_a_refusal_names_the_record_the_time_and_the_reason(
    clock: MockClock, commits: CommitHarness
) -> None:
    commits.store.speed_max = 200
    await trio.sleep(30)
    [refusal] = await commits.commit(batch_of([position(1, 0), position(2, 0, speed=250)]))
    assert (refusal.entry_id, refusal.device_id) == ("2-0", position(2, 0)["device_id"])
    assert refusal.failed_at_ms == clocks.unix_ms()
    assert "too fast" in refusal.error
    assert not refusal.on_trial


async def test_pauses_start_over_once_something_was_committed(
    clock: MockClock, commits: CommitHarness, logged: LogLines
) -> None:
    slow = commits.store.error("canceling statement due to statement timeout", sqlstate="57014")
    commits.store.failures += [slow] * 3

    def stumble_over_the_second_half() -> None:
        if len(commits.store.writes) == 5:
            lost(commits.store)

    commits.store.before_write = stumble_over_the_second_half
    assert await commits.commit(rows(16)) == []
    assert [line["attempt"] for line in logged.fields("batch failed")] == [1, 2, 3, 1]


async def test_a_server_that_has_become_read_only_is_asked_on_a_new_session(
    clock: MockClock, commits: CommitHarness
) -> None:
    commits.store.failures.append(commits.store.error("read-only transaction", sqlstate="25006"))
    await commits.commit(rows(1))
    assert commits.store.connects == 2


@pytest.mark.parametrize("sqlstate", ["40P01", "40001", "55P03"])
async def test_a_transaction_in_the_way_says_nothing_against_the_server_but_in_a_row_it_does(
    clock: MockClock, commits: CommitHarness, journal: Journal, sqlstate: str
) -> None:
    journal.dependency_ready("postgres")
    commits.store.failures += [commits.store.error("in the way", sqlstate=sqlstate)] * 3
    ready: list[bool] = []
    commits.store.before_write = lambda: ready.append("postgres" not in journal.snapshot().unready)
    assert await commits.commit(rows(2)) == []
    assert ready == [True, True, False, False]
    # The session is kept.
    assert commits.store.connects == 1
    assert journal.snapshot().write_retries[sqlstate] == 3


async def test_the_repeat_of_a_refused_row_takes_its_place(
    clock: MockClock, commits: CommitHarness
) -> None:
    commits.store.speed_max = 200
    batch = batch_of(
        [position(1, 0, speed=250), position(1, 0, speed=60), position(1, 0, speed=70)]
    )
    assert refused_ids(await commits.commit(batch)) == ["1-0"]
    [receipt] = commits.receipts
    assert (receipt.inserted, receipt.duplicates) == (1, 1)
    assert commits.receipted_ids == ["2-0", "3-0"]


async def test_a_cancelled_batch_has_receipts_for_what_was_committed_alone(
    clock: MockClock, commits: CommitHarness
) -> None:
    commits.store.speed_max = 200
    batch = batch_of(position(n, 0, speed=250 if n == 4 else 50) for n in range(8))
    with trio.CancelScope() as scope:

        def cut() -> None:
            if commits.receipts:
                commits.store.table.answers = trio.Event()
                scope.cancel()

        commits.store.before_write = cut
        await commits.commit(batch)
    assert scope.cancelled_caught
    assert {key for each in commits.receipts for key in keys_of(each.batch)} == set(
        commits.store.table.rows
    )
    assert 0 < len(commits.receipted_ids) < 7


@pytest.mark.parametrize("seed", range(20))
async def test_each_record_ends_in_one_receipt_or_one_refusal_whatever_happens(
    clock: MockClock, commits: CommitHarness, seed: int
) -> None:
    chance = random.Random(seed)
    commits.store.speed_max = 200
    positions = [
        position(chance.randrange(12), chance.randrange(4), speed=chance.choice([50, 60, 250]))
        for _ in range(60)
    ]
    await commits.store.insert_new(batch_of(p for p in positions[::7] if p["speed"] < 200))

    def stumble() -> None:
        if chance.random() < 0.2:
            lost(commits.store, chance.choice([None, "57P01", "40001"]))

    commits.store.before_write = stumble
    refusals = await commits.commit(batch_of(positions))
    everything = commits.receipted_ids + refused_ids(refusals)
    assert sorted(everything) == sorted(f"{n}-0" for n in range(1, 61))
    assert {key for each in commits.receipts for key in keys_of(each.batch)} <= set(
        commits.store.table.rows
    )


async def test_a_refusal_after_an_outage_is_an_answer_too(
    clock: MockClock, commits: CommitHarness, journal: Journal
) -> None:
    lost(commits.store)
    commits.store.speed_max = 0
    assert len(await commits.commit(rows(1))) == 1
    assert "postgres" not in journal.snapshot().unready


async def test_rows_that_a_trigger_discards_are_receipted_and_counted_apart(
    clock: MockClock, commits: CommitHarness, journal: Journal, logged: LogLines
) -> None:
    commits.store.table.discarded_devices = {position(1, 0)["device_id"]}
    batch = batch_of([position(1, 0), position(1, 0), position(1, 1), position(2, 0)])
    assert await commits.commit(batch) == []
    assert commits.receipted_ids == ["1-0", "2-0", "3-0", "4-0"]
    assert journal.snapshot().position_writes == {
        "inserted": 1,
        "duplicate": 1,
        "discarded": 2,
        "failed": 0,
    }
    [line] = logged.fields("batch written")
    assert (line["inserted"], line["duplicates"], line["discarded"]) == (1, 1, 2)


async def test_a_trigger_that_discards_rows_is_logged_once_a_minute(
    clock: MockClock, commits: CommitHarness, logged: LogLines
) -> None:
    commits.store.table.discarded_devices = {position(1, 0)["device_id"]}
    for second in range(0, 180, 5):
        await commits.commit(batch_of([position(1, second)]))
        await trio.sleep(5)
    assert len(logged.lines("a trigger of the table discards rows")) == 3
