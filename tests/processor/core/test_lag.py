"""When Redis' own lag is right, and what is said between two counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from processor.core.lag import (
    LAG_MAX,
    PAUSE_FACTOR,
    STEP_ENTRIES,
    GroupPosition,
    LagCount,
    LagMemory,
    known_lag,
)

LARGE = STEP_ENTRIES + 1
HALFWAY = GroupPosition(
    length=2 * LARGE,
    entries_added=2 * LARGE,
    first_id="1-0",
    delivered_id="5-0",
    next_id="6-0",
    redis_lag=LARGE,
)
COUNTED = None


@pytest.mark.parametrize(
    ("changes", "lag"),
    [
        pytest.param({}, LARGE, id="nothing was ever removed"),
        pytest.param({"next_id": None}, 0, id="nothing is left, whatever Redis says"),
        pytest.param({"first_id": "6-0", "length": 9}, 9, id="everything is left"),
        pytest.param({"entries_added": 2 * LARGE + 1}, COUNTED, id="something was removed"),
        pytest.param({"redis_lag": None}, COUNTED, id="Redis gives none"),
        pytest.param({"redis_lag": STEP_ENTRIES}, COUNTED, id="a count is cheap"),
    ],
)
def test_the_lag_is_known_only_where_it_is_right_for_sure(
    changes: dict[str, int | str | None], lag: int | None
) -> None:
    assert known_lag(replace(HALFWAY, **changes)) == lag  # type: ignore[arg-type]


def test_a_count_goes_on_behind_the_last_entry_until_a_step_is_not_full() -> None:
    count = LagCount("5-0")
    count.take(STEP_ENTRIES, "9-0")
    assert (count.after_id, count.is_done) == ("9-0", False)
    count.take(0, None)
    assert (count.after_id, count.is_done, count.lag) == ("9-0", True, STEP_ENTRIES)


def test_a_count_ends_without_a_number_beyond_a_million() -> None:
    count, steps = LagCount("0-0"), 0
    while not count.is_done:
        count.take(STEP_ENTRIES, "9-0")
        steps += 1
    assert count.lag is None
    assert steps == LAG_MAX // STEP_ENTRIES + 1


def test_exactly_a_million_is_a_number() -> None:
    count = LagCount("0-0")
    for _ in range(LAG_MAX // STEP_ENTRIES):
        count.take(STEP_ENTRIES, "9-0")
    assert not count.is_done
    count.take(0, None)
    assert count.lag == LAG_MAX


def test_a_count_is_due_again_after_fifty_times_what_it_took() -> None:
    memory = LagMemory()
    assert memory.lag_meanwhile(HALFWAY, 0.0) == (False, None)
    memory.counted(HALFWAY, 10, began_s=0.0, ended_s=2.0)
    assert memory.lag_meanwhile(HALFWAY, 2.0 + 2 * PAUSE_FACTOR - 0.1)[0]
    assert not memory.lag_meanwhile(HALFWAY, 2.0 + 2 * PAUSE_FACTOR)[0]


@pytest.mark.parametrize(
    ("counted", "redis_lag", "later", "lag"),
    [
        pytest.param(10, 15, 18, 13, id="corrected by what Redis had counted too much"),
        pytest.param(10, 15, 2, 0, id="never below nothing"),
        pytest.param(10, None, None, 10, id="Redis gives none"),
        pytest.param(10, None, 18, 18, id="Redis gives one again"),
        pytest.param(None, 15, 18, None, id="over a million"),
    ],
)
def test_between_two_counts_redis_own_number_is_corrected(
    counted: int | None, redis_lag: int | None, later: int | None, lag: int | None
) -> None:
    memory = LagMemory()
    memory.counted(replace(HALFWAY, redis_lag=redis_lag), counted, began_s=0.0, ended_s=1.0)
    assert memory.lag_meanwhile(replace(HALFWAY, redis_lag=later), 2.0) == (True, lag)
