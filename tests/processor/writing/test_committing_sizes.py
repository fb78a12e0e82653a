"""Batches without an answer: too large for link, time-out or server, or with a row that kills every session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from tests.support.batches import batch_of, position, rows
from tests.support.commit_harness import lost, refused_ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trio.testing import MockClock

    from processor.edges.ports import Commit
    from processor.journal.journal import Journal
    from tests.processor.conftest import LogLines
    from tests.support.commit_harness import CommitHarness
    from tests.support.fakes.rows import Key, Row

KILLER = position(3, 0)["device_id"]


def sizes(commits: CommitHarness) -> list[int]:
    return [size for _, size in commits.store.writes]


async def test_a_batch_that_is_always_too_large_is_halved_behind_canaries_until_it_goes_through(
    clock: MockClock, commits: CommitHarness, journal: Journal
) -> None:
    commits.store.table.rows_max = 50
    assert await commits.commit(rows(400)) == []
    # Three in a row, then one on each level; after a success a larger size is tried.
    assert sizes(commits)[:6] == [400, 400, 400, 200, 100, 50]
    assert len(commits.receipted_ids) == 400
    assert journal.snapshot().position_writes["failed"] == 0
    failures = [size for size in sizes(commits) if size > 50]
    assert commits.store.canaries == len(failures) - 2


async def test_the_size_that_went_through_is_kept_for_later_batches_and_grows_again(
    clock: MockClock, commits: CommitHarness
) -> None:
    commits.store.table.rows_max = 50
    await commits.commit(rows(400))
    commits.store.writes.clear()
    await commits.commit(rows(400, first_second=1_000))
    assert max(sizes(commits)) <= 100
    commits.store.table.rows_max = None
    for hour in range(1, 20):
        await commits.commit(rows(400, first_second=-hour * 10_000))
    assert sizes(commits)[-1] == 400


@pytest.mark.parametrize("sqlstate", [None, "57014", "53200", "53400", "57P01", "57P02", "08006"])
async def test_what_a_smaller_batch_may_escape_is_halved_after_the_third_time(
    clock: MockClock, commits: CommitHarness, journal: Journal, sqlstate: str | None
) -> None:
    usable = sqlstate is not None and sqlstate[:2] in {"57", "53"} and "P" not in sqlstate
    commits.store.failures += [
        commits.store.error("no answer", sqlstate=sqlstate, usable=usable) for _ in range(3)
    ]
    assert await commits.commit(rows(16)) == []
    assert sizes(commits) == [16, 16, 16, 8, 8]
    assert commits.store.canaries == 1
    assert journal.snapshot().write_retries[sqlstate or "connection"] == 3


@pytest.mark.parametrize(
    "sqlstate", ["53100", "53300", "25006", "28P01", "3D000", "40001", "55P03", "57P03", "58030"]
)
async def test_what_never_blames_a_batch_is_written_whole_for_as_long_as_it_takes(
    clock: MockClock, commits: CommitHarness, sqlstate: str
) -> None:
    commits.store.failures += [commits.store.error("no", sqlstate=sqlstate) for _ in range(20)]
    assert await commits.commit(rows(16)) == []
    assert sizes(commits) == [16] * 21
    assert commits.store.canaries == 0


async def test_an_outage_in_which_nobody_can_connect_halves_nothing(
    clock: MockClock, nursery: trio.Nursery, commits: CommitHarness
) -> None:
    commits.store.table.reachable = False
    nursery.start_soon(commits.commit, rows(16))
    await trio.sleep(600)
    commits.store.table.reachable = True
    await trio.sleep(10)
    assert len(commits.receipted_ids) == 16
    assert set(sizes(commits)) == {16}
    assert commits.store.canaries == 0


async def test_a_standby_that_is_away_halves_nothing_however_often_the_commit_is_given_up(
    clock: MockClock, commits: CommitHarness
) -> None:
    for _ in range(10):
        error = commits.store.error("no standby", usable=False)
        error.awaits_standby = True
        commits.store.failures.append(error)
    assert await commits.commit(rows(16)) == []
    assert sizes(commits) == [16] * 11


@pytest.mark.parametrize("refusal", ["23514", None])
async def test_a_canary_that_is_not_accepted_blames_no_batch(
    clock: MockClock, commits: CommitHarness, refusal: str | None
) -> None:
    commits.store.failures += [commits.store.error("lost", usable=False) for _ in range(9)]
    usable = refusal is not None
    commits.store.canary_failures += [
        commits.store.error("no", sqlstate=refusal, usable=usable) for _ in range(3)
    ]
    assert await commits.commit(rows(16)) == []
    assert sizes(commits) == [16] * 10
    assert commits.store.canaries == 3


async def test_a_failure_to_connect_is_not_blamed_on_the_batch(
    clock: MockClock, nursery: trio.Nursery, commits: CommitHarness
) -> None:
    def go_away() -> None:
        if len(sizes(commits)) == 3:
            commits.store.table.reachable = False

    commits.store.before_write = go_away
    commits.store.failures += [commits.store.error("lost", usable=False) for _ in range(2)]
    nursery.start_soon(commits.commit, rows(16))
    await trio.sleep(600)
    assert len(sizes(commits)) > 10
    commits.store.before_write = lambda: None
    commits.store.table.reachable = True
    await trio.sleep(60)
    assert set(sizes(commits)) == {16}
    assert len(commits.receipted_ids) == 16
    assert commits.store.canaries == 0


async def test_a_canary_waits_for_a_server_that_starts_again(
    clock: MockClock, commits: CommitHarness
) -> None:
    # A row that crashes the server must not be tried again only because the restart takes time.
    try_canary = commits.store.try_canary

    async def start_again() -> Commit:
        commits.store.table.reachable = commits.store.canaries == 5
        return await try_canary()

    commits.store.try_canary = start_again  # type: ignore[method-assign]
    commits.store.failures += [commits.store.error("lost", usable=False) for _ in range(3)]
    assert await commits.commit(rows(16)) == []
    assert sizes(commits) == [16, 16, 16, 8, 8]
    assert commits.store.canaries == 6


async def test_a_row_that_ends_every_session_is_found_and_its_neighbours_are_committed(
    clock: MockClock, commits: CommitHarness, journal: Journal
) -> None:
    commits.store.table.killers = {KILLER}
    [refusal] = await commits.commit(rows(64, devices=64))
    assert (refusal.entry_id, refusal.code, refusal.stage.value) == ("4-0", "no_answer", "write")
    assert refusal.sqlstate == "57P01"
    assert len(commits.receipted_ids) == 63
    # Three in a row, one on each level, and three alone directly after a canary.
    assert journal.snapshot().write_retries["57P01"] == 3 + 5 + 3
    assert journal.snapshot().position_writes["failed"] == 1


async def test_two_such_rows_are_found_both(clock: MockClock, commits: CommitHarness) -> None:
    commits.store.table.killers = {KILLER, position(40, 0)["device_id"]}
    refusals = await commits.commit(rows(64, devices=64))
    assert refused_ids(refusals) == ["4-0", "41-0"]
    assert len(commits.receipted_ids) == 62


async def test_a_row_that_takes_too_long_keeps_its_session_and_is_found_all_the_same(
    clock: MockClock, commits: CommitHarness
) -> None:
    refuse = commits.store.refuse

    def be_slow(written: Mapping[Key, Row]) -> None:
        if any(device_id == KILLER for device_id, _ in written):
            raise commits.store.error("statement timeout", sqlstate="57014")
        refuse(written)

    commits.store.refuse = be_slow  # type: ignore[method-assign, assignment]
    [refusal] = await commits.commit(rows(8, devices=8))
    assert (refusal.entry_id, refusal.code, refusal.sqlstate) == ("4-0", "no_answer", "57014")
    assert len(commits.receipted_ids) == 7


async def test_a_sound_row_that_is_lost_now_and_then_is_never_counted(
    clock: MockClock, commits: CommitHarness
) -> None:
    # Two of three writes are lost, for a long time: never three in a row after canaries.
    def flap() -> None:
        if len(sizes(commits)) % 3 and len(sizes(commits)) < 60:
            lost(commits.store)

    commits.store.before_write = flap
    for second in range(20):
        assert await commits.commit(batch_of([position(1, second)])) == []
    assert len(commits.receipted_ids) == 20


async def test_a_sound_row_on_another_session_than_its_canarys_is_not_convicted(
    clock: MockClock, nursery: trio.Nursery, commits: CommitHarness, logged: LogLines
) -> None:
    # Each time, the canary's session is gone before the row is written.
    def end_the_session() -> None:
        if len(sizes(commits)) < 40:
            commits.store._connected = False
            lost(commits.store)

    commits.store.before_write = end_the_session
    nursery.start_soon(commits.commit, batch_of([position(1, 0)]))
    await trio.sleep(1_000)
    assert commits.receipted_ids == ["1-0"]
    assert commits.store.canaries > 30
