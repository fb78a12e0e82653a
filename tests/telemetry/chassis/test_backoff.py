"""The pauses between tries, and the counting of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from telemetry.chassis import backoff as backoff_module
from telemetry.chassis import clocks
from telemetry.chassis.backoff import Backoff, Retries, for_ever

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


@pytest.fixture
def clock() -> MockClock:
    """Virtual time: pauses take none."""
    return MockClock(autojump_threshold=0)


@pytest.fixture
def whole_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pause takes its whole bound."""
    monkeypatch.setattr(backoff_module, "random", lambda: 1.0)


async def paused_s(retries: Retries, *, fixed_ms: int | None = None) -> float:
    """How long it paused, which is what it reports."""
    began = clocks.monotonic_s()
    reported: list[int] = []
    assert await retries.pause(reported.append, fixed_ms=fixed_ms)
    seconds = clocks.monotonic_s() - began
    assert reported == [pytest.approx(seconds * 1000, abs=0.5)]
    return seconds


@pytest.mark.usefixtures("whole_pauses")
async def test_each_failure_is_reported_with_its_pause_which_grows(clock: MockClock) -> None:
    retries = Retries(Backoff(base_ms=100, max_ms=400))
    assert [await paused_s(retries) for _ in range(4)] == pytest.approx([0.1, 0.2, 0.4, 0.4])
    assert retries.failures == 4


@pytest.mark.usefixtures("whole_pauses")
async def test_the_first_failure_may_cost_no_pause(clock: MockClock) -> None:
    retries = Retries(Backoff(base_ms=100, max_ms=400), first_at_once=True)
    assert [await paused_s(retries) for _ in range(3)] == pytest.approx([0, 0.1, 0.2])


@pytest.mark.usefixtures("whole_pauses")
async def test_after_a_success_the_count_begins_again(clock: MockClock) -> None:
    retries = Retries(Backoff(base_ms=100, max_ms=400))
    await paused_s(retries)
    await paused_s(retries)
    retries.reset()
    assert await paused_s(retries) == pytest.approx(0.1)
    retries.reset(2)
    assert await paused_s(retries) == pytest.approx(0.4)


@pytest.mark.usefixtures("whole_pauses")
async def test_a_fixed_pause_counts_as_a_failure_like_any_other(clock: MockClock) -> None:
    retries = Retries(Backoff(base_ms=100, max_ms=400))
    assert await paused_s(retries, fixed_ms=1_000) == pytest.approx(1)
    assert await paused_s(retries) == pytest.approx(0.2)


async def test_when_no_try_is_left_there_is_neither_a_report_nor_a_pause(
    clock: MockClock,
) -> None:
    retries = Retries(Backoff(base_ms=100, max_ms=400, attempts_max=2))
    reported: list[int] = []
    assert await retries.pause(reported.append)
    began = clocks.monotonic_s()
    assert not await retries.pause(reported.append)
    assert len(reported) == 1
    assert clocks.monotonic_s() == began


def test_a_service_that_knows_several_servers_looks_for_another_every_second_at_least() -> None:
    assert for_ever(5_000, several_servers=True).max_ms == 1_000
    assert for_ever(200, several_servers=True).max_ms == 200
    assert for_ever(5_000, several_servers=False).max_ms == 5_000
