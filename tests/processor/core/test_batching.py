"""When a free writer's batch is ready, and what goes into it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.batching import Batching


@dataclass(frozen=True)
class Rows:
    """Numbered rows in the place of the codec's batch."""

    numbers: tuple[int, ...]

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.numbers)

    def split(self) -> tuple[Rows, Rows]:
        """Two halves."""
        assert self.rows >= 2
        middle = self.rows // 2
        return Rows(self.numbers[:middle]), Rows(self.numbers[middle:])


def numbered(sizes: list[int]) -> list[Rows]:
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    return [
        Rows(tuple(range(start, start + size))) for start, size in zip(starts, sizes, strict=True)
    ]


def holding(sizes: list[int], *, rows_max: int = 10, linger_s: float = 5.0) -> Batching[Rows]:
    batching: Batching[Rows] = Batching(rows_max=rows_max, linger_s=linger_s)
    for item in numbered(sizes):
        batching.add(item, now=100.0)
    return batching


sizes_lists = st.lists(st.integers(min_value=0, max_value=40), max_size=12)
limits = st.integers(min_value=1, max_value=25)


@given(sizes_lists, limits)
def test_every_row_is_flushed_once_in_order_and_no_batch_exceeds_the_limit(
    sizes: list[int], rows_max: int
) -> None:
    batching = holding(sizes, rows_max=rows_max)
    flushed: list[int] = []
    while batching.due_at() is not None:
        batch = batching.flush()
        assert batch
        rows = [number for item in batch for number in item.numbers]
        assert len(rows) <= rows_max
        flushed += rows
        assert batching.rows == sum(sizes) - len(flushed)
    assert flushed == list(range(sum(sizes)))


@given(sizes_lists, limits)
def test_a_batch_ends_only_where_the_next_item_would_not_fit(
    sizes: list[int], rows_max: int
) -> None:
    sizes = [min(size, rows_max) for size in sizes]
    batching = holding(sizes, rows_max=rows_max)
    left = sizes[:]
    while left:
        taken = len(batching.flush())
        batch, left = left[:taken], left[taken:]
        assert not left or sum(batch) + left[0] > rows_max


@given(sizes_lists, limits, st.lists(st.floats(min_value=0, max_value=9), min_size=12, max_size=12))
def test_what_is_held_is_due_at_the_latest_a_linger_after_the_oldest_came(
    sizes: list[int], rows_max: int, gaps: list[float]
) -> None:
    batching: Batching[Rows] = Batching(rows_max=rows_max, linger_s=2.0)
    now = 0.0
    for item, gap in zip(numbered(sizes), gaps, strict=False):
        now += gap
        batching.add(item, now)
    oldest = gaps[0]
    due_at = batching.due_at()
    if not sizes:
        assert due_at is None
    elif sum(sizes) >= rows_max:
        assert due_at == oldest
    else:
        assert due_at == oldest + 2.0


def test_nothing_held_is_never_due() -> None:
    batching = holding([])
    assert batching.due_at() is None
    assert batching.flush() == []


def test_some_rows_wait_for_more_as_long_as_the_linger() -> None:
    assert holding([3]).due_at() == 105.0


def test_without_a_linger_some_rows_are_due_at_once() -> None:
    assert holding([3], linger_s=0.0).due_at() == 100.0


def test_a_full_batch_is_due_at_once() -> None:
    batching = holding([4, 6])
    assert batching.full
    assert batching.due_at() == 100.0


def test_the_age_is_the_oldest_items() -> None:
    batching = holding([3])
    batching.add(Rows((3,)), now=104.0)
    assert batching.due_at() == 105.0


def test_what_did_not_fit_keeps_its_own_age() -> None:
    batching = holding([6])
    batching.add(Rows((6, 7, 8, 9, 10)), now=104.0)
    assert [item.rows for item in batching.flush()] == [6]
    assert batching.due_at() == 109.0


def test_an_item_beyond_the_limit_is_split() -> None:
    batching = holding([25])
    assert [sum(item.rows for item in batching.flush()) for _ in range(4)] == [6, 6, 6, 7]


@pytest.mark.parametrize(("rows_max", "linger_s"), [(0, 1.0), (1, -0.1)])
def test_a_limit_that_no_batch_can_keep_is_refused(rows_max: int, linger_s: float) -> None:
    with pytest.raises(ValueError, match="no batch fits"):
        Batching(rows_max=rows_max, linger_s=linger_s)
