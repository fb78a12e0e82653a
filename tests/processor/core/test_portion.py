"""How much is asked for at once after what was lost and what went well."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.portion import PATIENCE_MAX, Portion

sizes = st.integers(min_value=1, max_value=10**6)


def sizes_after(portion: Portion, *, wells: int) -> list[int]:
    """The sizes that a number of successes in a row leads to."""
    found = []
    for _ in range(wells):
        portion.went_well()
        found.append(portion.size)
    return found


def test_it_halves_down_to_one_and_doubles_up_to_the_most() -> None:
    portion = Portion(5_000)
    halves = []
    while portion.size > 1:
        portion.too_much()
        halves.append(portion.size)
    assert halves == [2_500, 1_250, 625, 312, 156, 78, 39, 19, 9, 4, 2, 1]
    portion.too_much()
    assert portion.size == 1
    assert sizes_after(portion, wells=14) == [
        *(2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 5_000, 5_000)
    ]


def test_it_begins_with_the_most_unless_a_size_is_given() -> None:
    assert Portion(7).size == 7
    assert Portion(7, first=1).size == 1


@pytest.mark.parametrize(("most", "first"), [(0, None), (5, 0), (5, 6)])
def test_a_portion_of_nothing_or_beyond_the_most_is_refused(most: int, first: int | None) -> None:
    with pytest.raises(ValueError, match="a portion lies between"):
        Portion(most, first=first)


def lost_of(limit: int, *, tries: int) -> int:
    """How many tries are lost where the limit is, once the size is near it."""
    portion, lost = Portion(4_096), 0
    while portion.size > limit:
        portion.too_much()
    for _ in range(tries):
        if portion.size > limit:
            portion.too_much()
            lost += 1
        else:
            portion.went_well()
    return lost


def test_a_limit_that_stays_costs_fewer_and_fewer_tries() -> None:
    # 1, 2, 4 ... 64 successes between the lost ones, and 64 each from then on.
    assert lost_of(50, tries=134) == 7
    assert lost_of(50, tries=134 + 650) == 17


def test_a_limit_that_is_gone_is_forgotten_with_the_first_success_beyond_it() -> None:
    portion = Portion(4_096, first=32)
    for _ in range(3):
        while portion.size < 64:
            portion.went_well()
        portion.too_much()
    assert portion.size == 32
    assert sizes_after(portion, wells=8)[-1] == 64
    assert sizes_after(portion, wells=6) == [128, 256, 512, 1_024, 2_048, 4_096]


@given(most=sizes, outcomes=st.lists(st.booleans(), max_size=200))
def test_it_stays_within_its_bounds_and_never_jumps(most: int, outcomes: list[bool]) -> None:
    portion = Portion(most)
    for went_well in outcomes:
        before = portion.size
        if went_well:
            portion.went_well()
            assert portion.size in {before, min(2 * before, most)}
        else:
            portion.too_much()
            assert portion.size == max(1, before // 2)
        assert 1 <= portion.size <= most


@given(most=sizes, outcomes=st.lists(st.booleans(), max_size=200))
def test_whatever_happened_enough_successes_lead_back_to_the_most(
    most: int, outcomes: list[bool]
) -> None:
    portion = Portion(most)
    for went_well in outcomes:
        portion.went_well() if went_well else portion.too_much()
    for _ in range(PATIENCE_MAX + 20):
        portion.went_well()
    assert portion.size == most


@given(most=sizes, limit=sizes)
def test_what_fits_is_found_in_as_many_halvings_as_it_takes(most: int, limit: int) -> None:
    portion, halvings = Portion(most), 0
    while portion.size > limit:
        portion.too_much()
        halvings += 1
    assert halvings <= most.bit_length()
    assert 2 * portion.size + 1 > min(limit, most)
