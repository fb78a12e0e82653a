"""The table, its schema or its COMMIT refuses rows: the batch stays in flight, and no record has a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from processor.core.bisection import DOUBTS_MAX
from processor.core.write_errors import Evidence
from tests.support.batches import batch_of, position, rows
from tests.support.commit_harness import REFUSALS, refused_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trio.testing import MockClock

    from processor.edges.ports import Commit
    from processor.journal.journal import Journal
    from telemetry._codec import Batch
    from tests.processor.conftest import LogLines
    from tests.support.commit_harness import CommitHarness
    from tests.support.fakes.rows import Key, Row

BAD = position(0, 0)["device_id"]


def once(holds: Callable[[], bool], do: Callable[[], None]) -> Callable[[], None]:
    """A `before_write` that calls `do` at the first write at which the condition holds, and never again."""
    done = False

    def look() -> None:
        nonlocal done
        if not done and holds():
            done = True
            do()

    return look


def renumbered(value: dict[str, Any], *, before: int) -> Batch:
    """A batch of one record, behind `before` other entries."""
    _, record = batch_of([*(position(0, n) for n in range(before)), value]).take_out(before)
    return record


@pytest.mark.parametrize("sqlstate", REFUSALS)
async def test_a_table_that_refuses_everything_costs_no_record_and_says_why(
    clock: MockClock, commits: CommitHarness, journal: Journal, logged: LogLines, sqlstate: str
) -> None:
    commits.add_rows(position(90, 0), position(91, 0))
    commits.store.table.refuses_all = sqlstate
    reasons: list[str] = []

    def mend() -> None:
        reasons.append(journal.snapshot().unready["postgres"])
        commits.store.table.refuses_all = None

    commits.store.before_write = once(lambda: len(logged.lines("batch failed")) == 20, mend)
    began = trio.current_time()
    assert await commits.commit(rows(40)) == []
    assert len(commits.receipted_ids) == 40
    assert "refuses every row, copies of sound ones too" in reasons[0]
    assert "refuses this row" in reasons[0]
    assert journal.snapshot().position_writes["failed"] == 0
    assert commits.left == []
    # The pauses grow, so that a server that refuses everything has time.
    assert trio.current_time() - began > 5
    assert "postgres" not in journal.snapshot().unready


async def test_a_large_batch_is_not_tried_row_by_row_at_each_back_off(
    clock: MockClock, commits: CommitHarness, logged: LogLines
) -> None:
    commits.add_rows(position(90, 0))
    commits.store.table.refuses_all = "54000"

    def stop() -> None:
        commits.store.table.refuses_all = None
        # A few rows alone, from all parts of the batch; then it is held.
        assert len(commits.store.writes) <= 11 + 8 * DOUBTS_MAX

    commits.store.before_write = once(lambda: len(logged.lines("batch failed")) == 1, stop)
    assert await commits.commit(rows(1_000)) == []
    # The evidence of one row holds for all that are refused alike.
    assert commits.store.evidence == [Evidence.TABLE]


async def test_a_device_that_an_empty_table_refuses_waits_for_anybodys_row(
    clock: MockClock, nursery: trio.Nursery, commits: CommitHarness, journal: Journal
) -> None:
    commits.store.table.refused_devices[BAD] = "23503"
    nursery.start_soon(commits.commit, batch_of(position(0, second) for second in range(5)))
    await trio.sleep(600)
    assert "every row" in journal.snapshot().unready["postgres"]
    commits.add_rows(position(1, 0))
    await trio.sleep(60)
    assert journal.snapshot().position_writes["failed"] == 5


async def test_a_refusal_that_comes_only_at_commit_is_infrastructure(
    clock: MockClock, commits: CommitHarness, journal: Journal, logged: LogLines
) -> None:
    commits.add_rows(position(90, 0))
    commits.store.table.refuses_commits = "54000"
    reasons: list[str] = []

    def mend() -> None:
        reasons.append(journal.snapshot().unready["postgres"])
        commits.store.table.refuses_commits = None

    commits.store.before_write = once(lambda: len(logged.lines("batch failed")) == 9, mend)
    began = trio.current_time()
    assert await commits.commit(rows(12)) == []
    assert len(commits.receipted_ids) == 12
    assert "COMMIT" in reasons[0]
    assert set(commits.store.evidence) == {Evidence.CAUSE_GONE}
    assert trio.current_time() - began > 1


async def test_a_row_that_cannot_be_committed_holds_none_of_its_neighbours_up(
    clock: MockClock, nursery: trio.Nursery, commits: CommitHarness, journal: Journal
) -> None:
    commits.add_rows(position(90, 0))
    table, commit = commits.store.table, commits.store._commit

    async def refuse_some(rows: Mapping[Key, Row]) -> Commit:
        if any(device_id == BAD for device_id, _ in rows):
            raise commits.store.error("refused at COMMIT", sqlstate="54000")
        return await commit(rows)

    commits.store._commit = refuse_some  # type: ignore[method-assign]
    beside = batch_of([position(1, 60), position(2, 60)])
    commits.waiting.append(beside)
    nursery.start_soon(commits.commit, rows(8, devices=8))
    await trio.sleep(60)
    # Rows that came later are written, too; the bad row has no failure.
    assert len(table.rows) == 1 + 7 + 2
    assert "COMMIT" in journal.snapshot().unready["postgres"]
    assert commits.left == []
    commits.store._commit = commit  # type: ignore[method-assign]
    await trio.sleep(60)
    assert len(table.rows) == 1 + 8 + 2
    assert journal.snapshot().position_writes["failed"] == 0


async def test_a_cause_that_is_gone_behind_a_commit_of_neighbours_takes_pauses_all_the_same(
    clock: MockClock, commits: CommitHarness, logged: LogLines
) -> None:
    commits.add_rows(position(90, 0))
    table, examine = commits.store.table, commits.store.gather_evidence

    async def find_nothing(accused: Batch, *, entry_ms: int) -> Evidence:
        await examine(accused, entry_ms=entry_ms)
        return Evidence.CAUSE_GONE

    commits.store.gather_evidence = find_nothing  # type: ignore[method-assign]
    table.refused_devices[BAD] = "23514"
    commits.store.before_write = once(
        lambda: len(logged.lines("batch failed")) == 12, table.refused_devices.clear
    )
    began = trio.current_time()
    assert await commits.commit(rows(8, devices=8)) == []
    assert len(commits.receipted_ids) == 8
    assert trio.current_time() - began > 5
    # The next try uses the statement that the copies were tried with.
    assert {way for way, _ in commits.store.writes[-3:]} == {"insert_new"}


async def test_most_rows_refused_alike_are_held_and_not_counted(
    clock: MockClock, commits: CommitHarness, journal: Journal, logged: LogLines
) -> None:
    # A table of devices was restored with a few of them only, so that the newest rows are from those few.
    commits.add_rows(*(position(n, -60) for n in range(3)))
    devices = [position(n, 0)["device_id"] for n in range(3, 100)]
    commits.store.table.refused_devices = dict.fromkeys(devices, "23503")
    reasons: list[str] = []

    def mend() -> None:
        reasons.append(journal.snapshot().unready["postgres"])
        commits.store.table.refused_devices.clear()

    commits.store.before_write = once(lambda: len(logged.lines("batch failed")) == 4, mend)
    assert await commits.commit(rows(400, devices=100)) == []
    assert len(commits.receipted_ids) == 400
    assert "most rows are refused alike" in reasons[0]
    assert journal.snapshot().position_writes["failed"] == 0


async def test_a_batch_refused_whole_by_another_schema_stays_in_flight(
    clock: MockClock, commits: CommitHarness, journal: Journal, logged: LogLines
) -> None:
    commits.store.speed_max = 0
    commits.store.table.differences = ("column tenant is NOT NULL",)

    def mend() -> None:
        commits.store.speed_max = 1_000
        commits.store.table.differences = ()

    commits.store.before_write = once(lambda: len(logged.lines("batch failed")) == 3, mend)
    assert await commits.commit(rows(100)) == []
    assert len(commits.receipted_ids) == 100
    assert logged.fields("batch failed")[0]["error"].endswith("column tenant is NOT NULL")
    assert journal.snapshot().position_writes["inserted"] == 100
    # A few writes for each try: the first row that stands alone leads to a schema check.
    assert len(commits.store.writes) < 3 * 10 + 2
    # No row was examined while the schema was wrong.
    assert commits.store.evidence == []


async def test_a_schema_check_that_cannot_be_made_decides_nothing(
    clock: MockClock, commits: CommitHarness, logged: LogLines
) -> None:
    commits.store.speed_max = 0
    check = commits.store.check_schema

    async def away() -> tuple[str, ...]:
        await trio.lowlevel.checkpoint()
        commits.store.check_schema = check  # type: ignore[method-assign]
        commits.store.speed_max = 1_000
        raise commits.store.error("connection lost", usable=False)

    commits.store.check_schema = away  # type: ignore[method-assign]
    assert await commits.commit(rows(4)) == []
    assert len(commits.receipted_ids) == 4
    assert len(logged.lines("batch failed")) == 1


async def test_a_lone_row_that_the_table_refuses_waits_for_what_comes_behind_it(
    clock: MockClock, commits: CommitHarness, journal: Journal, logged: LogLines
) -> None:
    commits.store.table.refused_devices[BAD] = "XX000"
    commits.store.before_write = once(
        lambda: len(logged.lines("batch failed")) == 4,
        lambda: commits.waiting.append(renumbered(position(2, 0), before=7)),
    )
    # It is examined beside the row that came later.
    assert refused_ids(await commits.commit(batch_of([position(0, 0)]))) == ["1-0"]
    assert commits.receipted_ids == ["8-0"]
    # After each failure, waiting rows were asked for to write beside this one.
    assert set(commits.rows_beside) == {1}
    assert len(commits.rows_beside) == len(logged.lines("batch failed")) == 5
    assert journal.snapshot().position_writes["failed"] == 1


@pytest.mark.parametrize("sqlstate", ["42P01", "42703", "42P10", "42501", "42883"])
async def test_an_error_that_speaks_of_another_table_holds_the_batch_and_names_the_difference(
    clock: MockClock, commits: CommitHarness, journal: Journal, logged: LogLines, sqlstate: str
) -> None:
    difference = "column speed (real) is missing"
    commits.store.table.refuses_all = sqlstate
    commits.store.table.differences = (difference,)

    def mend() -> None:
        commits.store.table.refuses_all = None
        commits.store.table.differences = ()
        assert difference in journal.snapshot().unready["schema"]

    commits.store.before_write = once(lambda: len(logged.lines("batch failed")) == 5, mend)
    assert await commits.commit(rows(20)) == []
    # It is not split before the schema is checked.
    assert [size for _, size in commits.store.writes] == [20] * 6
    assert len(commits.receipted_ids) == 20
    assert difference in logged.fields("batch failed")[0]["error"]
    assert journal.snapshot().position_writes["inserted"] == 20
    assert "postgres" not in journal.snapshot().unready
