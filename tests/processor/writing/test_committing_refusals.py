"""One row is refused: copies of sound rows show whether the record or the table is to blame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from processor.core.write_errors import Evidence
from tests.support.batches import batch_of, position, published, rows
from tests.support.commit_harness import REFUSALS, refused_ids
from tests.support.stores import rows_of

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor.journal.journal import Journal
    from telemetry._codec import Batch
    from tests.processor.conftest import LogLines
    from tests.support.commit_harness import CommitHarness

BAD = position(0, 0)["device_id"]


def day(second: int) -> int:
    """The day of a position `second` seconds after noon, as tables count them."""
    [(_, ts_us)] = rows_of(batch_of([position(0, second)]))
    return ts_us // 86_400_000_000


@pytest.mark.parametrize("sqlstate", REFUSALS)
async def test_a_row_that_is_refused_beside_accepted_copies_is_the_records_whatever_the_sqlstate(
    clock: MockClock, commits: CommitHarness, journal: Journal, sqlstate: str
) -> None:
    commits.add_rows(position(90, 0))
    commits.store.table.refused_devices[BAD] = sqlstate
    [refusal] = await commits.commit(rows(8, devices=8))
    assert (refusal.entry_id, refusal.code, refusal.sqlstate) == (
        "1-0", "refused_by_server", sqlstate,
    )  # fmt: skip
    assert len(commits.receipted_ids) == 7
    assert commits.store.evidence == [Evidence.RECORD]
    assert journal.snapshot().position_writes["failed"] == 1


async def test_a_missing_partition_leaves_its_rows_pending_without_an_attempt_and_commits_the_others(
    clock: MockClock, commits: CommitHarness, journal: Journal, logged: LogLines
) -> None:
    tomorrow = [position(n, 86_400) for n in range(3)]
    commits.add_rows(position(90, 0))
    commits.store.table.refused_days = {day(86_400): "23514"}
    batch = batch_of([*(position(n, 0) for n in range(20)), *tomorrow])
    assert await commits.commit(batch) == []
    assert sorted(commits.left) == ["21-0", "22-0", "23-0"]
    assert len(commits.receipted_ids) == 20
    assert journal.snapshot().position_writes["failed"] == 0
    [line] = logged.fields("records left pending for the table's sake")
    assert (line["n"], line["sqlstate"]) == (3, "23514")
    assert "postgres" not in journal.snapshot().unready


async def test_records_left_pending_are_logged_once_a_minute(
    clock: MockClock, commits: CommitHarness, logged: LogLines
) -> None:
    commits.add_rows(position(90, 0))
    commits.store.table.refused_days = {day(86_400): "23514"}
    for second in range(0, 300, 10):
        await commits.commit(batch_of([position(1, second), position(1, 86_400)]))
        await trio.sleep(10)
    assert len(logged.lines("records left pending")) == 5


async def test_an_old_row_is_to_blame_for_its_own_time(
    clock: MockClock, commits: CommitHarness
) -> None:
    # No partition will ever be made for it.
    long_ago = -86_400 * 365 * 5
    commits.add_rows(position(90, 0), position(91, 0))
    commits.store.table.refused_days = {day(long_ago): "23514"}
    batch = published(position(0, long_ago))
    assert refused_ids(await commits.commit(batch)) == batch.entry_ids
    assert commits.store.evidence == [Evidence.TIME]


async def test_a_row_refused_by_an_empty_table_is_examined_again_after_the_first_commit(
    clock: MockClock, commits: CommitHarness
) -> None:
    # It is the first row, so that nothing has been committed when it stands alone.
    commits.store.table.refused_devices[BAD] = "23503"
    assert refused_ids(await commits.commit(rows(8, devices=8))) == ["1-0"]
    assert commits.left == []
    assert len(commits.receipted_ids) == 7
    assert commits.store.evidence == [Evidence.TABLE, Evidence.RECORD]


async def test_one_broken_device_fills_a_batch_and_delays_no_other(
    clock: MockClock, commits: CommitHarness
) -> None:
    commits.add_rows(position(90, 0))
    commits.store.table.refused_devices[BAD] = "22003"
    batch = batch_of([*(position(0, second) for second in range(150)), position(1, 0)])
    assert len(await commits.commit(batch)) == 150
    assert commits.receipted_ids == ["151-0"]


async def test_evidence_holds_for_refusals_alike_and_no_others(
    clock: MockClock, commits: CommitHarness
) -> None:
    commits.add_rows(position(90, 0))
    table = commits.store.table
    table.refused_devices = {
        position(1, 0)["device_id"]: "22003",
        position(2, 0)["device_id"]: "23514",
    }
    batch = batch_of(position(n % 5, n // 5) for n in range(60))
    assert len(await commits.commit(batch)) == 24
    assert len(commits.store.evidence) == 2
    # Another batch, or another day, is examined again.
    batch = batch_of([position(1, 0), position(1, -86_400), position(1, -86_401), position(4, -1)])
    assert len(await commits.commit(batch)) == 3
    assert len(commits.store.evidence) == 4


async def test_a_question_for_evidence_without_an_answer_decides_nothing(
    clock: MockClock, commits: CommitHarness
) -> None:
    commits.add_rows(position(90, 0))
    commits.store.table.refused_devices[BAD] = "23514"
    commits.store.canary_failures += [commits.store.error("lost", usable=False)] * 2
    assert refused_ids(await commits.commit(rows(4, devices=4))) == ["1-0"]
    assert commits.store.evidence == [Evidence.RECORD]


async def test_evidence_that_is_never_answered_ends_as_no_answer(
    clock: MockClock, commits: CommitHarness
) -> None:
    commits.add_rows(position(90, 0))
    commits.store.table.refused_devices[BAD] = "23514"

    async def vanish(accused: Batch, *, entry_ms: int) -> Evidence:
        del accused, entry_ms
        await trio.lowlevel.checkpoint()
        raise commits.store.error("lost", usable=False)

    commits.store.gather_evidence = vanish  # type: ignore[method-assign]
    [refusal] = await commits.commit(rows(4, devices=4))
    assert (refusal.entry_id, refusal.code) == ("1-0", "no_answer")


async def test_a_triggers_bug_for_one_vehicle_costs_nobody_else_a_row(
    clock: MockClock, commits: CommitHarness
) -> None:
    # 42883 has the class of errors that a changed table causes; the schema check finds no change.
    commits.add_rows(position(90, 0))
    commits.store.table.refused_devices[BAD] = "42883"
    assert refused_ids(await commits.commit(rows(64, devices=64))) == ["1-0"]
    assert len(commits.receipted_ids) == 63
    assert commits.store.checks == 1
