"""Bisection against a server that is a set of bad rows: everything good is committed, within the bound."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.bisection import DOUBTS_MAX, Bisection, Charge, Part
from processor.core.write_errors import WriteRoute


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

    def write(self, bisection: Bisection[Rows, str], *, of_the_table: bool = False) -> None:
        part = bisection.part
        assert part is not None
        self.statements += 1
        if not self.bad & part.batch.written:
            self.committed |= {record for row in part.batch.held for record in row}
            bisection.commit()
        elif part.batch.rows > 1:
            bisection.split()
        elif of_the_table:
            bisection.set_row_aside("the table's")
        else:
            bisection.refuse("refused")


def bisect(batch: Rows, bad: set[int], *, of_the_table: bool = False) -> tuple[Server, set[int]]:
    """The server after it, and the records that it refused when they stood alone."""
    server = Server(bad)
    bisection = Bisection[Rows, str](batch)
    while bisection.part:
        server.write(bisection, of_the_table=of_the_table)
        if bisection.is_fruitless:
            bisection.start_over(merge(bisection.rest), WriteRoute.INSERT_NEW)
    found = (*bisection.refused, *bisection.set_aside)
    return server, {each.record.held[0][0] for each in found}


def merge(parts: list[Rows]) -> Rows:
    return Rows(tuple(sorted(row for part in parts for row in part.held)))


@given(st.data(), st.integers(1, 300), st.integers(1, 3))
def test_every_bad_record_is_found_within_the_bound_and_all_others_are_committed(
    data: st.DataObject, count: int, repeats: int
) -> None:
    batch = rows(count, repeats)
    bad = data.draw(st.sets(st.integers(0, count * repeats - 1), max_size=12))
    server, refused = bisect(batch, bad)
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
    server, refused = bisect(rows(20_000), {position})
    assert refused == {position}
    assert server.statements - 1 <= 30


@given(st.integers(2, 200), st.data())
def test_what_is_refused_for_the_tables_sake_is_set_aside_once_a_neighbour_is_committed(
    count: int, data: st.DataObject
) -> None:
    bad = data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=count - 1))
    server, set_aside = bisect(rows(count), bad, of_the_table=True)
    assert set_aside == bad
    assert server.committed == set(range(count)) - bad


def test_a_table_that_takes_no_row_at_all_is_found_at_the_last() -> None:
    bisection = Bisection[Rows, str](rows(3))
    server = Server({0, 1, 2})
    while bisection.part:
        assert not bisection.is_fruitless
        server.write(bisection, of_the_table=True)
    assert bisection.is_fruitless
    assert bisection.refused == []
    assert merge(bisection.rest) == rows(3)


def test_a_table_that_takes_nothing_is_found_after_a_few_rows_and_each_time_after_more() -> None:
    bisection = Bisection[Rows, str](rows(1_000))
    server = Server(set(range(1_000)))
    set_aside = []
    for _ in range(3):
        while not bisection.is_fruitless:
            server.write(bisection, of_the_table=True)
        set_aside.append(len(bisection.set_aside))
        bisection.start_over(merge(bisection.rest), WriteRoute.INSERT_NEW)
    assert set_aside == [DOUBTS_MAX, 2 * DOUBTS_MAX, 4 * DOUBTS_MAX]


def test_one_commit_is_enough_to_believe_in_the_table() -> None:
    bisection = Bisection[Rows, str](rows(200))
    server = Server(set(range(100)))
    while bisection.part:
        server.write(bisection, of_the_table=True)
        if bisection.has_commits:
            assert not bisection.is_fruitless
    assert len(bisection.set_aside) == 100


def test_the_first_row_stands_alone_after_one_statement_a_level() -> None:
    server = Server(set(range(20_000)))
    bisection = Bisection[Rows, str](rows(20_000))
    while not bisection.refused:
        server.write(bisection)
    assert server.statements <= 16


def charge_all(bisection: Bisection[Rows, str], server: Server, devices: dict[int, str]) -> bool:
    """Bisect, with every row that stands alone charged; whether that was ever an epidemic."""
    while part := bisection.part:
        [record, *others] = sorted(part.batch.written)
        is_refused_alone = record in server.bad and not others
        if is_refused_alone and bisection.count_refusal(ALIKE, str(record), devices[record]):
            return True
        server.write(bisection)
    return False


ALIKE = Charge("P0001", None)


@pytest.mark.parametrize(("bad", "is_epidemic"), [(60, True), (52, True), (48, False), (5, False)])
def test_most_rows_refused_alike_are_an_epidemic_and_half_of_them_are_none(
    bad: int, *, is_epidemic: bool
) -> None:
    devices = {n: str(n % 7) for n in range(1_000)}
    server = Server({n for n in range(1_000) if n * 37 % 100 < bad})
    bisection = Bisection[Rows, str](rows(1_000))
    assert charge_all(bisection, server, devices) is is_epidemic
    if is_epidemic:
        # Long before the last row.
        assert len(bisection.refused) < 500


def test_one_broken_device_alone_is_no_epidemic() -> None:
    server = Server(set(range(900)))
    devices = {n: "broken" if n < 900 else "sound" for n in range(1_000)}
    assert not charge_all(Bisection[Rows, str](rows(1_000)), server, devices)


def test_a_few_broken_devices_at_the_front_of_a_large_batch_are_no_epidemic() -> None:
    # Rows are sorted by device: what is looked at first must not be taken for the whole.
    server = Server(set(range(400)))
    devices = {n: str(n // 100) for n in range(4_000)}
    assert not charge_all(Bisection[Rows, str](rows(4_000)), server, devices)
    assert server.committed == set(range(400, 4_000))


def test_less_than_a_hundred_rows_are_no_epidemic() -> None:
    devices = {n: str(n) for n in range(99)}
    assert not charge_all(Bisection[Rows, str](rows(99)), Server(set(range(98))), devices)


def test_refusals_that_differ_are_no_epidemic() -> None:
    bisection = Bisection[Rows, str](rows(200))
    for n in range(200):
        charge = Charge("23514", f"constraint_{n % 3}")
        assert not bisection.count_refusal(charge, str(n), str(n))


def test_what_was_committed_counts_against_an_epidemic_at_the_next_beginning_too() -> None:
    bisection = Bisection[Rows, str](rows(150))
    server = Server(set(range(60, 150)))
    devices = {n: str(n) for n in range(150)}
    assert charge_all(bisection, server, devices)
    rest = merge(bisection.rest)
    bisection.start_over(rest, WriteRoute.INSERT_NEW)
    assert rest.rows < 100
    assert charge_all(bisection, server, devices)


def test_nothing_counts_after_a_new_beginning_and_neighbours_may_join() -> None:
    bisection = Bisection[Rows, str](rows(1))
    Server({0}).write(bisection)
    assert len(bisection.refused) == 1
    bisection.start_over(rows(4), WriteRoute.INSERT_NEW)
    assert bisection.refused == []
    assert bisection.part is not None
    assert bisection.part.batch == rows(4)


def test_a_lost_race_is_staged_and_so_are_the_halves_of_what_was_staged() -> None:
    bisection = Bisection[Rows, str](rows(4))
    bisection.insert_new()
    bisection.split()
    while (part := bisection.part) is not None:
        assert part.route is WriteRoute.INSERT_NEW
        bisection.commit()


def test_what_is_put_off_waits_behind_the_others_however_large_it_is() -> None:
    bisection = Bisection[Rows, str](rows(9))
    bisection.split()
    bisection.split()
    first = bisection.part
    assert first is not None
    bisection.postpone(first)
    written: list[Rows] = []
    while (part := bisection.part) is not None:
        written.append(part.batch)
        bisection.commit()
    assert written[-1] == first.batch
    assert merge(written) == rows(9)


def test_a_part_is_cut_to_the_size_that_goes_through() -> None:
    bisection = Bisection[Rows, str](rows(1_000))
    sizes = []
    bisection.cut(300)
    while (part := bisection.part) is not None:
        sizes.append(part.batch.rows)
        bisection.commit()
        bisection.cut(300)
    assert sizes == [250] * 4


def test_what_is_added_is_written_as_well() -> None:
    bisection = Bisection[Rows, str](rows(0))
    assert bisection.part is None
    bisection.add(rows(2), WriteRoute.INSERT_NEW)
    assert bisection.part == Part(rows(2), WriteRoute.INSERT_NEW)


def test_tries_without_an_answer_are_counted_until_one_is_answered() -> None:
    part = Part(rows(1), WriteRoute.DIRECT)
    for behind_canary in (False, True, True):
        part = part.without_answer(behind_canary=behind_canary)
    assert (part.unanswered, part.behind_canary) == (3, 2)
    assert part.without_answer(behind_canary=False).behind_canary == 0
    assert (part.answered().unanswered, part.answered().behind_canary) == (0, 0)
