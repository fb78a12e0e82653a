"""Refusals that may be nobody's row's fault: another table than we think, or one that refuses sound rows, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from processor.core.bisection import DOUBTS_MAX
from processor.core.evidence import Evidence
from tests.support.batches import NOON, batch_of, position, published, rows
from tests.support.commit_harness import refused_ids
from tests.support.stores import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trio.testing import MockClock

    from processor.edges.ports import Commit
    from processor.journal.journal import Journal
    from telemetry._codec import Batch
    from tests.processor.conftest import Told
    from tests.support.commit_harness import CommitHarness
    from tests.support.fakes.rows import Key, Row

NOON_MS = round(NOON.timestamp() * 1_000)
BAD = position(0, 0)["device_id"]


def once(holds: Callable[[], bool], do: Callable[[], None]) -> Callable[[], None]:
    """Before each write: do it when it is time, and then never again."""
    done = False

    def look() -> None:
        nonlocal done
        if not done and holds():
            done = True
            do()

    return look


def stored(commits: CommitHarness, *positions: dict[str, Any]) -> None:
    """Rows of former days, which copies are made of."""
    commits.store.table.rows.update(rows_of(batch_of(positions)))


REFUSALS = ["23514", "42883", "P0001", "54000", "0A000", "XX000", "44000", "22012"]


@pytest.mark.parametrize("sqlstate", REFUSALS)
async def test_a_row_that_is_refused_beside_accepted_copies_is_the_records_whatever_the_sqlstate(
    clock: MockClock, commits: CommitHarness, journal: Journal, sqlstate: str
) -> None:
    stored(commits, position(90, 0))
    commits.store.table.refused_devices[BAD] = sqlstate
    [refusal] = await commits.commit(rows(8, devices=8))
    assert (refusal.entry_id, refusal.code, refusal.sqlstate) == (
        "1-0", "refused_by_server", sqlstate,
    )  # fmt: skip
    assert len(commits.receipted_ids) == 7
    assert commits.store.verdicts == [Evidence.RECORD]
    assert journal.snapshot().position_writes["failed"] == 1


@pytest.mark.parametrize("sqlstate", REFUSALS)
async def test_a_table_that_refuses_everything_costs_no_record_and_says_why(
    clock: MockClock, commits: CommitHarness, journal: Journal, told: Told, sqlstate: str
) -> None:
    stored(commits, position(90, 0), position(91, 0))
    commits.store.table.refuses_all = sqlstate
    reasons: list[str] = []

    def mend() -> None:
        reasons.append(journal.snapshot().unready["postgres"])
        commits.store.table.refuses_all = None

    commits.store.before_write = once(lambda: len(told.lines("batch failed")) == 20, mend)
    began = trio.current_time()
    assert await commits.commit(rows(40)) == []
    assert len(commits.receipted_ids) == 40
    assert "refuses every row, copies of sound ones too" in reasons[0]
    assert "refuses this row" in reasons[0]
    assert journal.snapshot().position_writes["failed"] == 0
    assert commits.left == []
    # With pauses that grow: a server that refuses everything is not to be hurried.
    assert trio.current_time() - began > 5
    assert "postgres" not in journal.snapshot().unready


async def test_a_large_batch_is_not_tried_row_by_row_at_each_back_off(
    clock: MockClock, commits: CommitHarness, told: Told
) -> None:
    stored(commits, position(90, 0))
    commits.store.table.refuses_all = "54000"

    def stop() -> None:
        commits.store.table.refuses_all = None
        # A few rows alone, of all parts of the batch; then it is held.
        assert len(commits.store.writes) <= 11 + 8 * DOUBTS_MAX

    commits.store.before_write = once(lambda: len(told.lines("batch failed")) == 1, stop)
    assert await commits.commit(rows(1_000)) == []
    # One verdict holds for all that are refused alike.
    assert commits.store.verdicts == [Evidence.TABLE]


async def test_a_missing_partition_leaves_its_rows_pending_without_an_attempt_and_commits_the_others(
    clock: MockClock, commits: CommitHarness, journal: Journal, told: Told
) -> None:
    tomorrow = [position(n, 86_400) for n in range(3)]
    stored(commits, position(90, 0))
    commits.store.table.refused_days = {day(86_400): "23514"}
    batch = batch_of([*(position(n, 0) for n in range(20)), *tomorrow])
    assert await commits.commit(batch) == []
    assert sorted(commits.left) == ["21-0", "22-0", "23-0"]
    assert len(commits.receipted_ids) == 20
    assert journal.snapshot().position_writes["failed"] == 0
    [line] = told.fields("records left pending for the table's sake")
    assert (line["n"], line["sqlstate"]) == (3, "23514")
    assert "postgres" not in journal.snapshot().unready


async def test_what_is_left_pending_is_said_once_a_minute(
    clock: MockClock, commits: CommitHarness, told: Told
) -> None:
    stored(commits, position(90, 0))
    commits.store.table.refused_days = {day(86_400): "23514"}
    for second in range(0, 300, 10):
        await commits.commit(batch_of([position(1, second), position(1, 86_400)]))
        await trio.sleep(10)
    assert len(told.lines("records left pending")) == 5


def day(second: int) -> int:
    """The day of a position `second` seconds after noon, as tables count them."""
    [(_, ts_us)] = rows_of(batch_of([position(0, second)]))
    return ts_us // 86_400_000_000


async def test_an_old_row_is_to_blame_for_its_own_time(
    clock: MockClock, commits: CommitHarness
) -> None:
    # No partition will ever come for it.
    long_ago = -86_400 * 365 * 5
    stored(commits, position(90, 0), position(91, 0))
    commits.store.table.refused_days = {day(long_ago): "23514"}
    batch = published(position(0, long_ago))
    assert refused_ids(await commits.commit(batch)) == batch.entry_ids
    assert commits.store.verdicts == [Evidence.TIME]


async def test_what_an_empty_table_could_not_tell_is_asked_again_behind_the_first_commit(
    clock: MockClock, commits: CommitHarness
) -> None:
    # The first row, so that nothing has been committed when it stands alone.
    commits.store.table.refused_devices[BAD] = "23503"
    assert refused_ids(await commits.commit(rows(8, devices=8))) == ["1-0"]
    assert commits.left == []
    assert len(commits.receipted_ids) == 7
    assert commits.store.verdicts == [Evidence.TABLE, Evidence.RECORD]


async def test_a_device_that_an_empty_table_refuses_waits_for_anybodys_row(
    clock: MockClock, nursery: trio.Nursery, commits: CommitHarness, journal: Journal
) -> None:
    commits.store.table.refused_devices[BAD] = "23503"
    nursery.start_soon(commits.commit, batch_of(position(0, second) for second in range(5)))
    await trio.sleep(600)
    assert "every row" in journal.snapshot().unready["postgres"]
    stored(commits, position(1, 0))
    await trio.sleep(60)
    assert journal.snapshot().position_writes["failed"] == 5


async def test_a_refusal_that_only_a_commit_meets_is_infrastructure(
    clock: MockClock, commits: CommitHarness, journal: Journal, told: Told
) -> None:
    stored(commits, position(90, 0))
    commits.store.table.refuses_commits = "54000"
    reasons: list[str] = []

    def mend() -> None:
        reasons.append(journal.snapshot().unready["postgres"])
        commits.store.table.refuses_commits = None

    commits.store.before_write = once(lambda: len(told.lines("batch failed")) == 9, mend)
    began = trio.current_time()
    assert await commits.commit(rows(12)) == []
    assert len(commits.receipted_ids) == 12
    assert "COMMIT" in reasons[0]
    assert set(commits.store.verdicts) == {Evidence.CAUSE_GONE}
    assert trio.current_time() - began > 1


async def test_a_row_that_cannot_be_committed_holds_none_of_its_neighbours_up(
    clock: MockClock, nursery: trio.Nursery, commits: CommitHarness, journal: Journal
) -> None:
    stored(commits, position(90, 0))
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
    # Those that came later, too; and of the row itself nothing is counted.
    assert len(table.rows) == 1 + 7 + 2
    assert "COMMIT" in journal.snapshot().unready["postgres"]
    assert commits.left == []
    commits.store._commit = commit  # type: ignore[method-assign]
    await trio.sleep(60)
    assert len(table.rows) == 1 + 8 + 2
    assert journal.snapshot().position_writes["failed"] == 0


async def test_a_cause_that_is_gone_behind_a_commit_of_neighbours_takes_pauses_all_the_same(
    clock: MockClock, commits: CommitHarness, told: Told
) -> None:
    stored(commits, position(90, 0))
    table, examine = commits.store.table, commits.store.gather_evidence

    async def find_nothing(accused: Batch, *, entry_ms: int) -> Evidence:
        await examine(accused, entry_ms=entry_ms)
        return Evidence.CAUSE_GONE

    commits.store.gather_evidence = find_nothing  # type: ignore[method-assign]
    table.refused_devices[BAD] = "23514"
    commits.store.before_write = once(
        lambda: len(told.lines("batch failed")) == 12, table.refused_devices.clear
    )
    began = trio.current_time()
    assert await commits.commit(rows(8, devices=8)) == []
    assert len(commits.receipted_ids) == 8
    assert trio.current_time() - began > 5
    # What the rehearsal was made with is what the next try is made with.
    assert {way for way, _ in commits.store.writes[-3:]} == {"staged"}


async def test_most_rows_refused_alike_are_held_and_not_counted(
    clock: MockClock, commits: CommitHarness, journal: Journal, told: Told
) -> None:
    # A table of devices that was restored with a few of them: the newest rows are those of the few.
    stored(commits, *(position(n, -60) for n in range(3)))
    devices = [position(n, 0)["device_id"] for n in range(3, 100)]
    commits.store.table.refused_devices = dict.fromkeys(devices, "23503")
    reasons: list[str] = []

    def mend() -> None:
        reasons.append(journal.snapshot().unready["postgres"])
        commits.store.table.refused_devices.clear()

    commits.store.before_write = once(lambda: len(told.lines("batch failed")) == 4, mend)
    assert await commits.commit(rows(400, devices=100)) == []
    assert len(commits.receipted_ids) == 400
    assert "most rows are refused alike" in reasons[0]
    assert journal.snapshot().position_writes["failed"] == 0


async def test_one_broken_device_fills_a_batch_and_holds_nobody_up(
    clock: MockClock, commits: CommitHarness
) -> None:
    stored(commits, position(90, 0))
    commits.store.table.refused_devices[BAD] = "22003"
    batch = batch_of([*(position(0, second) for second in range(150)), position(1, 0)])
    assert len(await commits.commit(batch)) == 150
    assert commits.receipted_ids == ["151-0"]


async def test_a_verdict_holds_for_refusals_alike_and_no_others(
    clock: MockClock, commits: CommitHarness
) -> None:
    stored(commits, position(90, 0))
    table = commits.store.table
    table.refused_devices = {
        position(1, 0)["device_id"]: "22003",
        position(2, 0)["device_id"]: "23514",
    }
    batch = batch_of(position(n % 5, n // 5) for n in range(60))
    assert len(await commits.commit(batch)) == 24
    assert len(commits.store.verdicts) == 2
    # Another batch, another day.
    batch = batch_of([position(1, 0), position(1, -86_400), position(1, -86_401), position(4, -1)])
    assert len(await commits.commit(batch)) == 3
    assert len(commits.store.verdicts) == 4


async def test_a_cross_examination_without_an_answer_decides_nothing(
    clock: MockClock, commits: CommitHarness
) -> None:
    stored(commits, position(90, 0))
    commits.store.table.refused_devices[BAD] = "23514"
    commits.store.canary_failures += [commits.store.error("lost", usable=False)] * 2
    assert refused_ids(await commits.commit(rows(4, devices=4))) == ["1-0"]
    assert commits.store.verdicts == [Evidence.RECORD]


async def test_a_cross_examination_that_is_never_answered_ends_as_no_answer(
    clock: MockClock, commits: CommitHarness
) -> None:
    stored(commits, position(90, 0))
    commits.store.table.refused_devices[BAD] = "23514"

    async def vanish(accused: Batch, *, entry_ms: int) -> Evidence:
        del accused, entry_ms
        await trio.lowlevel.checkpoint()
        raise commits.store.error("lost", usable=False)

    commits.store.gather_evidence = vanish  # type: ignore[method-assign]
    [refusal] = await commits.commit(rows(4, devices=4))
    assert (refusal.entry_id, refusal.code) == ("1-0", "no_answer")


async def test_a_batch_refused_whole_by_another_schema_stays_in_flight(
    clock: MockClock, commits: CommitHarness, journal: Journal, told: Told
) -> None:
    commits.store.speed_max = 0
    commits.store.table.differences = ("column tenant is NOT NULL",)

    def mend() -> None:
        commits.store.speed_max = 1_000
        commits.store.table.differences = ()

    commits.store.before_write = once(lambda: len(told.lines("batch failed")) == 3, mend)
    assert await commits.commit(rows(100)) == []
    assert len(commits.receipted_ids) == 100
    assert told.fields("batch failed")[0]["error"].endswith("column tenant is NOT NULL")
    assert journal.snapshot().position_writes["inserted"] == 100
    # A few writes a try: the first row that stands alone is enough to look at the schema.
    assert len(commits.store.writes) < 3 * 10 + 2
    # Nobody was examined while the table was another one.
    assert commits.store.verdicts == []


async def test_a_schema_check_that_cannot_be_made_decides_nothing(
    clock: MockClock, commits: CommitHarness, told: Told
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
    assert len(told.lines("batch failed")) == 1


async def test_a_lone_row_that_the_table_refuses_waits_for_what_comes_behind_it(
    clock: MockClock, commits: CommitHarness, journal: Journal, told: Told
) -> None:
    commits.store.table.refused_devices[BAD] = "XX000"
    commits.store.before_write = once(
        lambda: len(told.lines("batch failed")) == 4,
        lambda: commits.waiting.append(renumbered(position(2, 0), before=7)),
    )
    # The neighbour's row is what it is judged by.
    assert refused_ids(await commits.commit(batch_of([position(0, 0)]))) == ["1-0"]
    assert commits.receipted_ids == ["8-0"]
    # It was asked beside how many rows the neighbours would be written, after each failure.
    assert set(commits.rows_beside) == {1}
    assert len(commits.rows_beside) == len(told.lines("batch failed")) == 5
    assert journal.snapshot().position_writes["failed"] == 1


@pytest.mark.parametrize("sqlstate", ["42P01", "42703", "42P10", "42501", "42883"])
async def test_an_error_that_speaks_of_another_table_holds_the_batch_and_names_the_difference(
    clock: MockClock, commits: CommitHarness, journal: Journal, told: Told, sqlstate: str
) -> None:
    difference = "column speed (real) is missing"
    commits.store.table.refuses_all = sqlstate
    commits.store.table.differences = (difference,)

    def mend() -> None:
        commits.store.table.refuses_all = None
        commits.store.table.differences = ()
        assert difference in journal.snapshot().unready["postgres"]

    commits.store.before_write = once(lambda: len(told.lines("batch failed")) == 5, mend)
    assert await commits.commit(rows(20)) == []
    # It is not split before the schema was looked at.
    assert [size for _, size in commits.store.writes] == [20] * 6
    assert len(commits.receipted_ids) == 20
    assert difference in told.fields("batch failed")[0]["error"]
    assert journal.snapshot().position_writes["inserted"] == 20
    assert "postgres" not in journal.snapshot().unready


async def test_a_triggers_bug_for_one_vehicle_costs_nobody_else_a_row(
    clock: MockClock, commits: CommitHarness
) -> None:
    # 42883: the class of a table that is another one, which the schema check denies.
    stored(commits, position(90, 0))
    commits.store.table.refused_devices[BAD] = "42883"
    assert refused_ids(await commits.commit(rows(64, devices=64))) == ["1-0"]
    assert len(commits.receipted_ids) == 63
    assert commits.store.checks == 1


def renumbered(value: dict[str, Any], *, before: int) -> Batch:
    """A batch of one record, behind `before` other entries."""
    _, record = batch_of([*(position(0, n) for n in range(before)), value]).take_out(before)
    return record
