"""Refusals that may be nobody's row's fault: another table than we think, or a server that refuses everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.edges.batches import batch_of, position, rows
from tests.tasks.commit_desk import refused_ids

if TYPE_CHECKING:
    from trio.testing import MockClock

    from processor._codec import Batch
    from processor.statistics import Recorder
    from tests.tasks.commit_desk import CommitDesk
    from tests.tasks.conftest import Told


async def test_an_undecided_failure_is_the_records_when_a_neighbour_commits(
    clock: MockClock, commits: CommitDesk
) -> None:
    # The first row, so that nothing has been committed when it first stands alone.
    commits.store.table.refused_devices[position(0, 0)["device_id"]] = "XX000"
    refusals = await commits.commit(rows(8, devices=8))
    assert refused_ids(refusals) == ["1-0"]
    assert len(commits.receipted_ids) == 7


async def test_an_undecided_failure_of_everything_is_the_worlds(
    clock: MockClock, commits: CommitDesk, told: Told
) -> None:
    devices = [position(n, 0)["device_id"] for n in range(3)]
    commits.store.table.refused_devices = dict.fromkeys(devices, "XX000")

    def mend() -> None:
        if len(told.lines("batch failed")) == 5:
            commits.store.table.refused_devices.clear()

    commits.store.before_write = mend
    assert await commits.commit(rows(6, devices=3)) == []
    assert len(commits.receipted_ids) == 6


async def test_a_batch_refused_whole_counts_once_the_schema_check_has_passed(
    clock: MockClock, commits: CommitDesk
) -> None:
    commits.store.speed_max = 0
    assert len(await commits.commit(rows(5))) == 5
    assert commits.receipts == []
    # After the first refusal, and after the last.
    assert commits.store.checks == 2


async def test_a_batch_refused_whole_by_another_schema_stays_in_hand(
    clock: MockClock, commits: CommitDesk, recorder: Recorder, told: Told
) -> None:
    commits.store.speed_max = 0
    commits.store.table.differences = ("column tenant is NOT NULL",)

    def mend() -> None:
        if len(told.lines("batch failed")) == 3:
            commits.store.speed_max = 1_000
            commits.store.table.differences = ()

    commits.store.before_write = mend
    assert await commits.commit(rows(100)) == []
    assert len(commits.receipted_ids) == 100
    assert told.fields("batch failed")[0]["error"].endswith("column tenant is NOT NULL")
    assert recorder.snapshot().position_writes == {"inserted": 100, "duplicate": 0, "failed": 0}
    # A few writes a try: the first refusal is enough to look at the schema.
    assert len(commits.store.writes) < 3 * 10 + 2


async def test_a_schema_check_that_cannot_be_made_decides_nothing(
    clock: MockClock, commits: CommitDesk, told: Told
) -> None:
    commits.store.speed_max = 0
    check = commits.store.check_schema

    async def away() -> tuple[str, ...]:
        commits.store.check_schema = check  # type: ignore[method-assign]
        commits.store.speed_max = 1_000
        raise commits.store.error("connection lost", usable=False)

    commits.store.check_schema = away  # type: ignore[method-assign]
    assert await commits.commit(rows(4)) == []
    assert len(commits.receipted_ids) == 4
    assert len(told.lines("batch failed")) == 1


async def test_a_lone_undecided_row_waits_for_a_neighbour_that_tells_whose_fault_it_is(
    clock: MockClock, commits: CommitDesk, recorder: Recorder, told: Told
) -> None:
    commits.store.table.refused_devices[position(1, 0)["device_id"]] = "XX000"
    alone = rows_of_device(1)

    def neighbour_comes() -> None:
        if len(told.lines("batch failed")) == 4:
            commits.waiting.append(renumbered(position(2, 0), before=7))

    commits.store.before_write = neighbour_comes
    [refusal] = await commits.commit(alone)
    assert (refusal.entry_id, refusal.sqlstate) == ("1-0", "XX000")
    assert commits.receipted_ids == ["8-0"]
    # It was asked beside how many rows the neighbours would be written, after each failure.
    assert set(commits.rows_beside) == {1}
    assert len(commits.rows_beside) == len(told.lines("batch failed")) == 5
    assert recorder.snapshot().position_writes == {"inserted": 1, "duplicate": 0, "failed": 1}


async def test_a_lone_undecided_row_that_finds_no_neighbour_is_written_again_and_again(
    clock: MockClock, commits: CommitDesk, recorder: Recorder, told: Told
) -> None:
    device = position(1, 0)["device_id"]
    commits.store.table.refused_devices[device] = "XX000"

    def mend() -> None:
        if len(told.lines("batch failed")) == 12:
            assert "refuses this device" in recorder.snapshot().unready["postgres"]
            commits.store.table.refused_devices.clear()

    commits.store.before_write = mend
    began = trio.current_time()
    assert await commits.commit(rows_of_device(1)) == []
    assert commits.receipted_ids == ["1-0"]
    # With pauses: a server that refuses everything is not to be hurried.
    assert trio.current_time() - began > 1


async def test_an_undecided_neighbour_is_not_blamed_for_a_refusal_of_the_records_own(
    clock: MockClock, commits: CommitDesk, told: Told
) -> None:
    commits.store.table.refused_devices = {
        position(0, 0)["device_id"]: "23514",
        position(1, 0)["device_id"]: "XX000",
    }

    def mend() -> None:
        if len(told.lines("batch failed")) == 3 and len(commits.store.table.refused_devices) == 2:
            commits.store.table.refused_devices.pop(position(1, 0)["device_id"])

    commits.store.before_write = mend
    # Nothing is committed beside the two: both wait, and only one is refused in the end.
    assert refused_ids(await commits.commit(rows(2, devices=2))) == ["1-0"]
    assert commits.receipted_ids == ["2-0"]


@pytest.mark.parametrize("sqlstate", ["42P01", "42703", "42P10", "42501"])
async def test_an_error_that_speaks_of_another_table_holds_the_batch_and_names_the_difference(
    clock: MockClock, commits: CommitDesk, recorder: Recorder, told: Told, sqlstate: str
) -> None:
    difference = "column speed (real) is missing"
    devices = [position(n, 0)["device_id"] for n in range(10)]
    commits.store.table.refused_devices = dict.fromkeys(devices, sqlstate)
    commits.store.table.differences = (difference,)

    def mend() -> None:
        failed = len(told.lines("batch failed"))
        assert failed == 0 or difference in recorder.snapshot().unready["postgres"]
        if failed == 5:
            commits.store.table.refused_devices.clear()
            commits.store.table.differences = ()

    commits.store.before_write = mend
    assert await commits.commit(rows(20)) == []
    assert commits.store.writes == [("direct", 20)] * 6
    assert len(commits.receipted_ids) == 20
    assert difference in told.fields("batch failed")[0]["error"]
    assert recorder.snapshot().position_writes == {"inserted": 20, "duplicate": 0, "failed": 0}
    assert "postgres" not in recorder.snapshot().unready


async def test_an_error_that_speaks_of_another_table_is_told_itself_when_the_schema_is_as_it_should_be(
    clock: MockClock, commits: CommitDesk, told: Told
) -> None:
    commits.store.failures.append(commits.store.error("permission denied", sqlstate="42501"))
    assert await commits.commit(rows(3)) == []
    [line] = told.fields("batch failed")
    assert "permission denied" in line["error"]
    assert line["sqlstate"] == "42501"


def rows_of_device(device: int) -> Batch:
    return batch_of([position(device, 0)])


def renumbered(value: dict[str, Any], *, before: int) -> Batch:
    """A batch of one record, behind so many other entries."""
    _, record = batch_of([*(position(0, n) for n in range(before)), value]).take_out(before)
    return record
