"""Which entries were read before: exact for any reads in order, and after any repetition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core import reading
from processor.core.reading import SpansRead


def entry(number: int) -> str:
    return f"{number // 3}-{number % 3}"


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3)), max_size=30))
def test_what_lies_within_a_read_was_read_and_nothing_else(steps: list[tuple[int, int]]) -> None:
    spans, ours, next_number = SpansRead(), set[str](), 0
    for entries, of_others in steps:
        read = range(next_number, next_number + entries)
        spans.add(entry(read[0]), entry(read[-1]))
        ours.update(map(entry, read))
        next_number = read[-1] + 1 + of_others
    spans.repeat()
    everything = [entry(number) for number in range(next_number + 5)]
    assert set(spans.again(everything)) == ours


def test_what_is_given_again_is_noted_once_and_what_comes_behind_it_too() -> None:
    spans = SpansRead()
    spans.add("1-0", "5-0")
    spans.repeat()
    spans.add("1-0", "3-0")
    spans.add("4-0", "8-0")
    assert list(spans.again(["0-1", "1-0", "5-0", "6-0", "8-0", "8-1"])) == [
        "1-0",
        "5-0",
        "6-0",
        "8-0",
    ]


@pytest.mark.parametrize("reads", [11, 12, 40])
def test_many_reads_are_joined_with_their_neighbours_and_none_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, reads: int
) -> None:
    monkeypatch.setattr(reading, "SPANS_MAX", 10)
    spans = SpansRead()
    for number in range(0, 2 * reads, 2):
        spans.add(entry(number), entry(number))
    ours = [entry(number) for number in range(0, 2 * reads, 2)]
    assert list(spans.again(ours)) == ours
    assert list(spans.again([entry(2 * reads)])) == []
