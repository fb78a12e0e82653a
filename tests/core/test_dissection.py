"""Bisection against a server that is a set of bad rows: everything good is committed, within the bound."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.dissection import DOUBTS_MAX, Dissection
from processor.core.verdicts import Path


@dataclass(frozen=True)
class Rows:
    """Rows, each a list of records: the first is written, the others repeat its key."""

    held: tuple[tuple[int, ...], ...]

    @property
    def records(self) -> int:
        return sum(map(len, self.held))

    @property
    def rows(self) -> int:
        return len(self.held)

    @property
    def written(self) -> set[int]:
        return {row[0] for row in self.held}

    def split(self) -> tuple[Self, Self]:
        middle = len(self.held) // 2
        return type(self)(self.held[:middle]), type(self)(self.held[middle:])

    def take_out(self, row: int) -> tuple[Self, Self]:
        first, *repeats = self.held[row]
        rest = (*self.held[:row], *([tuple(repeats)] if repeats else []), *self.held[row + 1 :])
        return type(self)(rest), type(self)(((first,),))


def rows(count: int, repeats: int = 1) -> Rows:
    return Rows(tuple(tuple(range(n * repeats, (n + 1) * repeats)) for n in range(count)))


@dataclass
class Server:
    """Refuses a statement for its bad rows, and counts."""

    bad: set[int]
    committed: set[int] = field(default_factory=set)
    statements: int = 0

    def write(self, dissection: Dissection[Rows, str], *, undecided: bool = False) -> None:
        part = dissection.part
        assert part is not None
        self.statements += 1
        if not self.bad & part.batch.written:
            self.committed |= {record for row in part.batch.held for record in row}
            dissection.commit()
        elif part.batch.rows > 1:
            dissection.split()
        elif undecided:
            dissection.doubt("undecided")
        else:
            dissection.refuse("refused")


def dissect(batch: Rows, bad: set[int], *, undecided: bool = False) -> tuple[Server, set[int]]:
    server = Server(bad)
    dissection = Dissection[Rows, str](batch)
    while dissection.part:
        server.write(dissection, undecided=undecided)
        if dissection.blames_the_world:
            dissection.begin_again(dissection.batch)
    return server, {each.record.held[0][0] for each in dissection.refused}


@given(st.data(), st.integers(1, 300), st.integers(1, 3))
def test_every_bad_record_is_found_within_the_bound_and_all_others_are_committed(
    data: st.DataObject, count: int, repeats: int
) -> None:
    batch = rows(count, repeats)
    bad = data.draw(st.sets(st.integers(0, count * repeats - 1), max_size=12))
    server, refused = dissect(batch, bad)
    # A repeat is looked at only if what stood before it was refused.
    met = {each for row in batch.held for n, each in enumerate(row) if bad.issuperset(row[: n + 1])}
    assert refused == met
    assert (
        server.committed
        == {record for row in batch.held if not bad.issuperset(row) for record in row} - met
    )
    if met:
        bound = 2 * len(met) * math.ceil(math.log2(max(2, batch.records))) + 1
        assert server.statements - 1 <= bound


@pytest.mark.parametrize("position", [0, 1, 9_999, 10_000, 19_999])
def test_one_bad_row_among_twenty_thousand_takes_thirty_statements_at_most(position: int) -> None:
    server, refused = dissect(rows(20_000), {position})
    assert refused == {position}
    assert server.statements - 1 <= 30


@given(st.integers(2, 200), st.data())
def test_an_undecided_failure_is_the_records_once_a_neighbour_is_committed(
    count: int, data: st.DataObject
) -> None:
    bad = data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=count - 1))
    server, refused = dissect(rows(count), bad, undecided=True)
    assert refused == bad
    assert server.committed == set(range(count)) - bad


def test_an_undecided_failure_of_every_row_is_the_worlds() -> None:
    dissection = Dissection[Rows, str](rows(3))
    server = Server({0, 1, 2})
    while dissection.part:
        assert not dissection.blames_the_world
        server.write(dissection, undecided=True)
    assert dissection.blames_the_world
    assert dissection.refused == []
    assert dissection.doubtful_reason == "undecided"


def test_the_world_is_blamed_after_a_few_rows_and_each_time_after_more() -> None:
    dissection = Dissection[Rows, str](rows(1_000))
    server = Server(set(range(1_000)))
    doubted = []
    for _ in range(3):
        single = 0
        while not dissection.blames_the_world:
            assert dissection.part is not None
            single += dissection.part.batch.rows == 1
            server.write(dissection, undecided=True)
        doubted.append(single)
        dissection.begin_again(dissection.batch)
    assert doubted == [DOUBTS_MAX, 2 * DOUBTS_MAX, 4 * DOUBTS_MAX]


def test_the_schema_is_asked_for_after_the_first_refusal_and_after_the_last() -> None:
    dissection = Dissection[Rows, str](rows(3))
    server = Server({0, 1, 2})
    asked = []
    while dissection.part:
        refused = len(dissection.refused)
        server.write(dissection)
        if len(dissection.refused) > refused:
            asked.append(dissection.asks_for_the_schema)
    assert asked == [True, False, True]


def test_the_schema_is_not_asked_for_once_a_row_was_committed() -> None:
    dissection = Dissection[Rows, str](rows(2))
    server = Server({1})
    while dissection.part:
        server.write(dissection)
        assert not dissection.asks_for_the_schema


def test_nothing_counts_after_a_new_beginning_and_neighbours_may_join() -> None:
    dissection = Dissection[Rows, str](rows(1))
    Server({0}).write(dissection)
    assert len(dissection.refused) == 1
    dissection.begin_again(rows(4))
    assert dissection.refused == []
    assert dissection.part is not None
    assert dissection.part.batch == rows(4)


def test_a_lost_race_is_staged_and_so_are_the_halves_of_what_was_staged() -> None:
    dissection = Dissection[Rows, str](rows(4))
    dissection.stage()
    dissection.split()
    while (part := dissection.part) is not None:
        assert part.path is Path.STAGED
        dissection.commit()


def test_what_the_world_fails_waits_behind_the_others() -> None:
    dissection = Dissection[Rows, str](rows(4))
    dissection.split()
    first = dissection.part
    assert first is not None
    dissection.postpone(halved=True)
    second = dissection.part
    assert second is not None
    assert second.batch != first.batch
    dissection.commit()
    left: list[tuple[int, ...]] = []
    while (part := dissection.part) is not None:
        left += part.batch.held
        assert part.batch.rows == 1
        dissection.commit()
    assert sorted(left) == sorted(first.batch.held)
