"""The size of a write, against links and servers that bear so much and no more."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from processor.core.batch_size import PATIENCE_MAX, BatchSize


def write(size: BatchSize, bears: int, rows: int = 20_000) -> bool:
    """One write of `rows` rows, or of as many as the limit lets through; whether it went through."""
    rows = min(rows, size.rows)
    if rows <= bears:
        size.went_through(rows)
        return True
    size.too_large(rows)
    return False


def test_a_size_that_was_too_large_is_halved_until_it_goes_through() -> None:
    size = BatchSize(20_000)
    assert [(size.rows, write(size, 3_000)) for _ in range(4)] == [
        (20_000, False),
        (10_000, False),
        (5_000, False),
        (2_500, True),
    ]


def test_it_doubles_with_each_success_up_to_the_whole() -> None:
    size = BatchSize(20_000)
    size.too_large(20_000)
    size.too_large(10_000)
    sizes = []
    for _ in range(4):
        write(size, 20_000)
        sizes.append(size.rows)
    assert sizes == [10_000, 20_000, 20_000, 20_000]


def test_a_larger_one_that_fails_again_and_again_is_tried_less_and_less() -> None:
    size = BatchSize(20_000)
    outcomes = [write(size, 6_000) for _ in range(400)]
    failures = [n for n, went_through in enumerate(outcomes) if not went_through]
    pauses = [later - earlier for earlier, later in pairwise(failures)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == PATIENCE_MAX + 1


def test_a_link_that_has_recovered_is_used_whole_again() -> None:
    size = BatchSize(20_000)
    for _ in range(100):
        write(size, 6_000)
    writes = 0
    while size.rows < size.rows_max:
        assert write(size, 20_000)
        writes += 1
    assert writes <= PATIENCE_MAX + 2
    write(size, 20_000)
    # And the next trouble is a new one.
    size.too_large(20_000)
    write(size, 20_000)
    assert size.rows == 20_000


def test_writes_that_are_small_anyway_prove_nothing_of_larger_ones() -> None:
    size = BatchSize(20_000)
    size.too_large(20_000)
    for _ in range(100):
        write(size, 20_000, rows=100)
    assert size.rows == 10_000
    assert size.suspects(10_000)
    assert not size.suspects(100)


def test_nothing_is_suspected_while_whole_batches_go_through() -> None:
    assert not BatchSize(20_000).suspects(20_000)


@given(st.integers(1, 100_000), st.lists(st.tuples(st.booleans(), st.integers(1, 100_000))))
def test_the_limit_stays_between_a_row_and_the_whole(
    rows_max: int, events: list[tuple[bool, int]]
) -> None:
    size = BatchSize(rows_max)
    for went_through, rows in events:
        (size.went_through if went_through else size.too_large)(min(rows, size.rows))
        assert 1 <= size.rows <= rows_max
