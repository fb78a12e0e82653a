from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from drills.judgement import judge_life, nearest_rank
from drills.observed import GroupState, LeftPending
from drills.plan import Fault
from drills.processor.judgement import Tally, judge_ending, tally
from tests.drills.values import BOUNDS, ending, life, said


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"drain_ms": 9_500.0},
        {
            "exit_code": 3,
            "last_line": said(clean=False, read=9, acked=5, released=4),
            "left": LeftPending(released=4),
        },
        {
            "exit_code": 3,
            "last_line": said(clean=False, read=9, acked=5, released=2, left_pending=2),
            "left": LeftPending(released=4),
        },
        {"left": LeftPending(refused=2), "last_line": said(read=9, acked=7, left_pending=2)},
        {"last_line": said(has_ledger=False, left_pending=3)},
        {"last_line": said(read=7, acked=7, released_unread=5), "left": LeftPending(released=5)},
        {
            "exit_code": 3,
            "last_line": said(clean=False, read=9, acked=5, released=4, released_unread=5),
            "left": LeftPending(released=9),
        },
        # What a cut-off look did not find.
        {"exit_code": 3, "last_line": said(clean=False, read=4, released=4), "left": LeftPending(released=50_000)},
        # Released, and the answer came too late.
        {"fault": Fault.FREEZE_REDIS, "left": LeftPending(released=5)},
        {"fault": Fault.FREEZE_REDIS, "left": LeftPending(stranded=5)},
        {"fault": Fault.KILL9, "exit_code": -9, "drain_ms": None, "last_line": None, "left": LeftPending(stranded=5)},
        {"fault": Fault.KILL9, "exit_code": 137, "drain_ms": None, "last_line": None},
        {"fault": None},
    ],
)  # fmt: skip
def test_a_life_that_keeps_the_contract_has_no_violation(changes: dict[str, Any]) -> None:
    assert judge_life(life(**changes), BOUNDS) == []


@pytest.mark.parametrize(
    ("changes", "violation"),
    [
        ({"drain_ms": 9_501.0}, "took 9501 ms to end, allowed are 9500 ms"),
        ({"drain_ms": None, "exit_code": -9, "last_line": said(clean=False)}, "did not end after the stop request"),
        ({"exit_code": 1, "last_line": said(clean=False)}, "ended with exit code 1"),
        ({"exit_code": 3}, "said `clean exit` and ended with exit code 3"),
        ({"last_line": said(clean=False)}, "said `timed out` and ended with exit code 0"),
        ({"last_line": None}, "ended without its last log line"),
        ({"last_line": said(read=9, acked=8)}, "its ledger does not balance"),
        ({"last_line": said(read=9, acked=8, lost=1)}, "counted 1 entries as lost"),
        ({"left": LeftPending(stranded=5)}, "left 5 entries pending and not released"),
        ({"left": LeftPending(stranded=5), "fault": Fault.FREEZE_POSTGRES}, "left 5 entries pending and not released"),
        (
            {"last_line": said(read=9, acked=4, released=5),
             "left": LeftPending(released=5)},
            "ended with exit code 0 although it released 5 entries undecided",
        ),
        (
            {"fault": Fault.FREEZE_REDIS, "last_line": said(read=9, acked=4, released=5),
             "left": LeftPending(released=5)},
            "ended with exit code 0 although it released 5 entries undecided",
        ),
        ({"left": LeftPending(released=5)}, "said that it released 0 entries and ended with exit code 0, Redis has 5"),
        (
            {"last_line": said(read=7, acked=7, released_unread=6), "left": LeftPending(released=5)},
            "said that it released 6 entries, Redis has 5",
        ),
        (
            {"exit_code": 3, "last_line": said(clean=False, read=9, acked=4, released=5),
             "left": LeftPending(released=4)},
            "said that it released 5 entries, Redis has 4",
        ),
        ({"ended_early": True, "exit_code": 1}, "ended by itself with exit code 1"),
        ({"fault": Fault.KILL9, "exit_code": 0}, "was killed and ended with exit code 0"),
    ],
)  # fmt: skip
def test_a_violation_names_the_round_and_the_consumer(
    changes: dict[str, Any], violation: str
) -> None:
    [found] = judge_life(life(**changes), BOUNDS)[:1]
    assert found.startswith(f"round 1 (drill-004711-0): {violation}")


def test_an_end_that_took_too_long_is_reported_with_its_steps() -> None:
    slow = life(
        drain_ms=9_600.0, last_line=replace(said(), steps_ms={"intake": 2.4, "release": 9_000.0})
    )
    [found] = judge_life(slow, BOUNDS)
    assert found.endswith("allowed are 9500 ms (by its own account: intake 2, release 9000)")


def test_each_thing_that_is_wrong_with_a_life_is_a_violation_of_its_own() -> None:
    bad = life(exit_code=1, drain_ms=20_000.0, last_line=None, left=LeftPending(stranded=1))
    assert len(judge_life(bad, BOUNDS)) == 4


def counted(**changes: Any) -> Tally:
    clean: dict[str, Any] = {"rows": 100, "missing": frozenset(), "repeated": 0, "foreign": 0}
    return Tally(published=100, **{**clean, **changes})


MISSING = counted(rows=98, missing=frozenset({3, 5}))


def test_an_ending_with_each_record_in_the_table_once_has_no_violation() -> None:
    assert judge_ending(ending()) == []


def test_the_last_commit_of_a_killed_life_may_go_uncounted() -> None:
    assert judge_ending(ending(inserted=60)) == []


@pytest.mark.parametrize(
    ("changes", "violation"),
    [
        ({"tally": MISSING, "inserted": 98}, "2 records are lost, the first is number 3"),
        ({"inserted": 101}, "1 rows were written twice"),
        ({"tally": counted(rows=104, repeated=4)}, "4 rows were written twice"),
        ({"tally": counted(rows=101, foreign=1)}, "1 rows of the drill's devices were never published"),
        (
            {"group": GroupState(100, 2, undelivered=False, consumers=(("a", 0), ("b", 2)))},
            "not settled: 2 pending (b 2), all delivered",
        ),
        (
            {"group": GroupState(100, 0, undelivered=True, consumers=())},
            "not settled: 0 pending (nobody), some entries undelivered",
        ),
        (
            {"tally": MISSING, "inserted": 98, "dead_lettered": frozenset({3, 5}),
             "dead_letter_codes": ("no_answer", "no_answer")},
            "2 valid records became dead letters: no_answer",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_end_is_a_violation(changes: dict[str, Any], violation: str) -> None:
    assert judge_ending(ending(**changes)) == [violation]


def test_a_record_that_is_pending_undelivered_or_dead_is_not_lost() -> None:
    assert (
        ending(tally=MISSING, unsettled=frozenset({3}), dead_lettered=frozenset({5})).lost
        == frozenset()
    )
    assert ending(tally=MISSING, unsettled=frozenset({3})).lost == {5}


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, None),
        ([4.0], 99, 4.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
        ([float(n) for n in range(1, 101)], 99, 99.0),
        ([float(n) for n in range(1, 11)], 99, 10.0),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: list[float], percent: float, expected: float | None
) -> None:
    assert nearest_rank(values, percent) == expected


def test_missing_repeated_and_foreign_rows_are_rows_apart() -> None:
    rows = tally(5, [0, 1, 1, 1, 4, 5, -100])
    assert rows.missing == {2, 3}
    assert (rows.rows, rows.repeated, rows.foreign) == (7, 2, 2)
    assert rows.distinct == 3


def test_a_tally_of_exactly_what_was_published_is_clean() -> None:
    rows = tally(3, [2, 0, 1])
    assert (rows.rows, rows.missing, rows.repeated, rows.foreign) == (
        3,
        frozenset(),
        0,
        0,
    )
