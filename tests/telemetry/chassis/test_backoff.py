"""The pauses between tries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.chassis.backoff import Backoff

durations = st.integers(min_value=1, max_value=86_400_000)
failures = st.integers(min_value=1, max_value=10**9)
fractions = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(durations, durations, failures, fractions)
def test_a_pause_lies_between_nothing_and_the_cap(
    base_ms: int, max_ms: int, failed: int, fraction: float
) -> None:
    pause = Backoff(base_ms, max_ms).pause_ms(failed, lambda: fraction)
    assert pause is not None
    assert 0 <= pause <= max_ms


@given(durations, durations, failures)
def test_the_bound_never_shrinks_from_one_failure_to_the_next(
    base_ms: int, max_ms: int, failed: int
) -> None:
    backoff = Backoff(base_ms, max_ms)
    assert backoff.bound_ms(failed) <= backoff.bound_ms(failed + 1) <= max_ms


@given(durations, durations)
def test_the_bound_reaches_the_cap(base_ms: int, max_ms: int) -> None:
    assert Backoff(base_ms, max_ms).bound_ms(10**9) == max_ms


def test_the_bound_doubles_until_the_cap() -> None:
    backoff = Backoff(base_ms=100, max_ms=5000)
    assert [backoff.bound_ms(failed) for failed in range(1, 9)] == [
        100,
        200,
        400,
        800,
        1600,
        3200,
        5000,
        5000,
    ]


def test_the_pause_is_the_random_share_of_the_bound() -> None:
    assert Backoff(base_ms=100, max_ms=5000).pause_ms(3, lambda: 0.25) == 100


def test_no_pause_follows_the_last_try() -> None:
    backoff = Backoff(base_ms=100, max_ms=5000, attempts_max=3)
    assert [backoff.pause_ms(failed, lambda: 0.0) for failed in (1, 2, 3, 4)] == [0, 0, None, None]


def test_a_single_try_is_never_repeated() -> None:
    assert Backoff(base_ms=100, max_ms=5000, attempts_max=1).pause_ms(1, lambda: 0.5) is None


def test_a_pause_without_a_failure_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="a pause follows a failure, there were 0"):
        Backoff(base_ms=100, max_ms=5000).pause_ms(0, lambda: 0.5)
