from __future__ import annotations

import os

import pytest

from bench import bisection, paths, small_paths
from bench.batches import overlapping_batches
from bench.bisection import run_bisection
from bench.paths import PATHS, STAGED, run_paths
from bench.small_paths import KNOWN_PERCENTS, SIZES, SMALL_PATHS, run_small_paths
from dev.servers import Choice
from telemetry._codec import Batch

CHOICE = Choice(os.environ.get("PROCESSOR_TEST_SERVERS", Choice.AUTO.value))


@pytest.mark.parametrize("known_percent", [0, 10, 50, 100])
def test_each_batch_repeats_its_share_of_the_one_before(known_percent: int) -> None:
    stored, coming = overlapping_batches(batches=3, rows=200, known_percent=known_percent)

    assert [batch.rows for batch in (stored, *coming)] == [200] * 4
    assert Batch.merge([stored, *coming]).rows == 200 + 3 * 200 * (100 - known_percent) // 100


def test_every_path_writes_all_rows_on_every_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "BATCH_ROWS", 200)

    # It raises when a path leaves a row out.
    results = run_paths(batches=2, rounds=1, choice=CHOICE, progress=lambda _text: None)

    for result in results:
        assert list(result.rows_per_second) == list(PATHS)
        assert result.ratio(STAGED, 50) == 1


@pytest.mark.parametrize("known_percent", [0, 10, 100])
def test_of_small_batches_all_together_repeat_their_share(known_percent: int) -> None:
    stored, coming = overlapping_batches(
        batches=30, rows=1, known_percent=known_percent, stored_rows=50
    )

    assert [batch.rows for batch in coming] == [1] * 30
    assert stored.rows == 50
    assert Batch.merge([stored, *coming]).rows == 50 + 30 * (100 - known_percent) // 100


def test_every_way_writes_all_rows_of_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_paths, "STORED_ROWS", 200)

    # It raises when a way leaves a row out.
    results = run_small_paths(batches=3, rounds=1, choice=CHOICE, progress=lambda _text: None)

    assert [result.known_percent for result in results][:3] == list(KNOWN_PERCENTS)
    for result in results:
        assert list(result.costs) == list(SMALL_PATHS)
        for costs in result.costs.values():
            assert list(costs) == list(SIZES)
            assert all(cost.ours_us > 0 and cost.server_us > 0 for cost in costs.values())


def test_both_ways_of_bisection_commit_all_rows_but_the_refused_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bisection, "BATCH_ROWS", 200)
    monkeypatch.setattr(bisection, "BAD_ROW", 133)

    results = run_bisection(rounds=1, choice=CHOICE, progress=lambda _text: None)

    assert {result.fsync for result in results} == {False, True}
