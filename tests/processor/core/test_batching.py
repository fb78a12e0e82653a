"""What goes into a writer's next batch."""

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


def holding(sizes: list[int], *, rows_max: int = 10) -> Batching[Rows]:
    batching: Batching[Rows] = Batching(rows_max=rows_max)
    for item in numbered(sizes):
        batching.add(item)
    return batching


sizes_lists = st.lists(st.integers(min_value=0, max_value=40), max_size=12)
limits = st.integers(min_value=1, max_value=25)


@given(sizes_lists, limits)
def test_every_row_is_flushed_once_in_order_and_no_batch_exceeds_the_limit(
    sizes: list[int], rows_max: int
) -> None:
    batching = holding(sizes, rows_max=rows_max)
    flushed: list[int] = []
    while batching:
        batch = batching.flush()
        assert batch
        rows = [number for item in batch for number in item.numbers]
        assert len(rows) <= rows_max
        flushed += rows
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


def test_nothing_is_flushed_where_nothing_is_held() -> None:
    batching = holding([])
    assert not batching
    assert batching.flush() == []


def test_an_item_beyond_the_limit_is_split() -> None:
    batching = holding([25])
    assert [sum(item.rows for item in batching.flush()) for _ in range(4)] == [6, 6, 6, 7]


def test_a_limit_that_no_batch_can_keep_is_refused() -> None:
    with pytest.raises(ValueError, match="no batch fits"):
        Batching(rows_max=0)
