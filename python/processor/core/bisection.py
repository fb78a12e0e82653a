"""Finds the rows that a server refuses: decides which part of a batch is written next.

A refused part is halved until the row stands alone, and everything beside it is committed. For k bad
rows among n that takes at most 2·k·⌈log₂ n⌉ + 1 statements after the refused one, in whatever order the
parts are written: a bad row is on one path of halvings, with two statements on each level; two paths share
at least their first level, which leaves one statement for each repeat that takes a refused row's place.

The order is: down to a row, then on with the largest part that waits. So the first row stands alone soon,
and what is decided early is a sample of the whole batch, not its first devices.

Nothing here writes. The caller writes `part`, reports the outcome, and asks again.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Generic, Protocol, Self, TypeVar

from processor.core.write_errors import WriteRoute

DOUBTS_MAX = 8
"""As long as nothing is committed, the whole batch waits when this number of rows has been set aside. It doubles
with each restart, so that every row is tried in the end."""
EPIDEMIC_ROWS_MIN = 100
"""With this number of decided rows or more, it is an epidemic if most of them were refused alike."""


class Bisectable(Protocol):
    """Some records in rows; the codec's `Batch` is one."""

    @property
    def records(self) -> int:
        """All of them, repeats of a row included."""

    @property
    def rows(self) -> int:
        """Distinct keys."""

    def split(self) -> tuple[Self, Self]:
        """Two halves of the rows; asked for from two rows on."""

    def take_out(self, row: int) -> tuple[Self, Self]:
        """(rest, taken): the row's first record apart; its next repeat takes its place."""


Item = TypeVar("Item", bound=Bisectable)
Reason = TypeVar("Reason")


@dataclass(frozen=True, slots=True)
class Part(Generic[Item]):
    """Rows that are written with one statement, and how."""

    batch: Item
    route: WriteRoute
    is_suspected: bool = False
    """It was cut off a larger part that had no answer, and may hold the row that is to blame."""
    unanswered: int = 0
    """Tries in a row that had no answer."""
    behind_canary: int = 0
    """Those of them that came right behind an accepted canary."""

    @property
    def is_alone(self) -> bool:
        """Whether it is one row, which cannot be halved."""
        return self.batch.rows == 1

    def without_answer(self, *, behind_canary: bool) -> Self:
        """The part after one more try without an answer."""
        times = self.behind_canary + 1 if behind_canary else 0
        return replace(self, unanswered=self.unanswered + 1, behind_canary=times)

    def answered(self) -> Self:
        """The part after a try that broke the row of those without an answer."""
        return replace(self, unanswered=0, behind_canary=0)


@dataclass(frozen=True, slots=True)
class RefusedItem(Generic[Item, Reason]):
    """One record that was refused when it stood alone."""

    record: Item
    reason: Reason


@dataclass(frozen=True, slots=True)
class Charge:
    """Why a row was refused when it stood alone. Equal for refusals that are alike, apart from the day of the row."""

    sqlstate: str | None
    constraint: str | None


class Bisection(Generic[Item, Reason]):
    """The parts of one batch that are still to be written, of which one is the current one."""

    def __init__(self, batch: Item, route: WriteRoute = WriteRoute.DIRECT) -> None:
        self._part: Part[Item] | None = None
        # The largest first, postponed ones last. Numbered, so that no two parts are compared.
        self._waiting: list[tuple[bool, int, int, Part[Item]]] = []
        self._number = 0
        self._doubts_max = DOUBTS_MAX
        self._rows_committed = 0
        # Devices of the records that were refused alone, by entry id.
        self._charged: defaultdict[Charge, dict[str, str]] = defaultdict(dict)
        self._refused: list[RefusedItem[Item, Reason]] = []
        self._set_aside: list[RefusedItem[Item, Reason]] = []
        self.add(batch, route)

    @property
    def part(self) -> Part[Item] | None:
        """What to write next; None when every record is committed, refused or set aside."""
        return self._part

    @property
    def has_commits(self) -> bool:
        """Whether anything of the batch was committed."""
        return self._rows_committed > 0

    @property
    def refused(self) -> list[RefusedItem[Item, Reason]]:
        """The records that count as refused since the last restart."""
        return list(self._refused)

    @property
    def set_aside(self) -> list[RefusedItem[Item, Reason]]:
        """The records refused because of the table since the last restart."""
        return list(self._set_aside)

    @property
    def is_fruitless(self) -> bool:
        """Whether the table has taken no row so far: rows were set aside, and none was committed."""
        if self.has_commits or not self._set_aside:
            return False
        return self._part is None or self.is_dubious

    @property
    def is_dubious(self) -> bool:
        """Whether enough rows were set aside to stop trying them one by one, whatever was committed before."""
        return len(self._set_aside) >= self._doubts_max

    @property
    def rest(self) -> list[Item]:
        """Everything that is not committed: waiting, refused or set aside."""
        current = [self._part.batch] if self._part else []
        waiting = [part.batch for *_, part in self._waiting]
        return current + waiting + [each.record for each in (*self._refused, *self._set_aside)]

    def add(self, batch: Item, route: WriteRoute) -> None:
        """Add a batch of which nothing is known yet."""
        if batch.records:
            self._wait(Part(batch, route))
            if self._part is None:
                self._next()

    def cut(self, rows_max: int) -> None:
        """Cut the current part down to this size. The rest waits."""
        while (part := self._part) and part.batch.rows > max(1, rows_max):
            self.split()

    def commit(self) -> None:
        """The current part is in the table.

        Rows set aside before the first commit are tried again after it: the table may have been empty
        before, without sound rows to compare with.
        """
        if not self.has_commits:
            for each in self._set_aside:
                self._wait(Part(each.record, WriteRoute.INSERT_NEW), is_postponed=True)
            self._set_aside.clear()
        self._rows_committed += self._current.batch.rows
        self._next()

    def insert_new(self) -> None:
        """The current part lost a race: write it again, in the way that leaves out what is there."""
        part = self._current
        self._part = Part(part.batch, WriteRoute.INSERT_NEW, part.is_suspected)

    def split(self, *, is_suspected: bool = False) -> None:
        """The current part is written in halves, each suspected if it is or was."""
        part = self._current
        first, second = part.batch.split()
        is_suspected = is_suspected or part.is_suspected
        self._part = Part(first, part.route, is_suspected)
        self._wait(Part(second, part.route, is_suspected))

    def count_refusal(self, charge: Charge, entry_id: str, device_id: str) -> bool:
        """Count a record that was refused alone. True if it belongs to an epidemic.

        That is when most of the decided rows were refused alike, and come from more than one device:
        a single broken device may fill a batch.
        """
        alike = self._charged[charge]
        alike[entry_id] = device_id
        decided = self._rows_committed + sum(map(len, self._charged.values()))
        is_most = 2 * len(alike) > decided >= EPIDEMIC_ROWS_MIN
        return is_most and len({*alike.values()}) > 1

    def refuse(self, reason: Reason) -> None:
        """The current part's first record was refused, and it is the record's fault."""
        self._refused.append(self._take_out(reason))

    def set_row_aside(self, reason: Reason) -> None:
        """The current part's first record was refused because of the table."""
        self._set_aside.append(self._take_out(reason))

    def write_again(self, part: Part[Item]) -> None:
        """Write the current part again next, with what is known of it now."""
        self._part = part

    def postpone(self, part: Part[Item]) -> None:
        """Write the current part again, after the others."""
        self._wait(part, is_postponed=True)
        self._next()

    def start_over(self, batch: Item, route: WriteRoute) -> None:
        """Start over with `batch`: everything that was not committed, perhaps with more. No refusal counts."""
        self._part = None
        self._waiting.clear()
        self._doubts_max *= 2
        self._charged.clear()
        self._refused.clear()
        self._set_aside.clear()
        self.add(batch, route)

    @property
    def _current(self) -> Part[Item]:
        assert self._part is not None, "nothing is left to write"
        return self._part

    def _wait(self, part: Part[Item], *, is_postponed: bool = False) -> None:
        self._number += 1
        heapq.heappush(self._waiting, (is_postponed, -part.batch.rows, self._number, part))

    def _next(self) -> None:
        self._part = heapq.heappop(self._waiting)[-1] if self._waiting else None

    def _take_out(self, reason: Reason) -> RefusedItem[Item, Reason]:
        part = self._current
        rest, record = part.batch.take_out(0)
        self._part = Part(rest, part.route, part.is_suspected) if rest.records else None
        if self._part is None:
            self._next()
        return RefusedItem(record, reason)
