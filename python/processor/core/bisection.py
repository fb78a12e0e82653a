"""Finds the rows that a server refuses: which part of a batch is written next, by what became of the others.

A refused part is halved until the row stands alone, and everything beside it is committed. For k bad
rows among n that takes at most 2·k·⌈log₂ n⌉ + 1 statements after the refused one, in whatever order the
parts are written: a bad row is on one path of halvings, with two statements on each level; two paths share
at least their first level, which leaves one statement for each repeat that takes a refused row's place.

The order is: down to a row, then on with the largest part that waits. So the first row stands alone soon,
and what is decided early is a sample of the whole batch, not its first devices.

Nothing here writes. The caller writes `part`, says what became of it, and asks again.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import Generic

from processor.core.parts import Charge, Item, Part, Reason, RefusedItem
from processor.core.write_errors import WriteRoute

DOUBTS_MAX = 8
"""So long as nothing is committed, the whole batch waits when this number of rows has been set aside for the
table's sake. Doubled at each new beginning, so that in the end every row is tried."""
EPIDEMIC_ROWS_MIN = 100
"""From this number of decided rows on it is an epidemic if most of them were refused alike."""


class Bisection(Generic[Item, Reason]):
    """The parts of one batch that are still to be written, of which one is the current one."""

    def __init__(self, batch: Item, route: WriteRoute = WriteRoute.DIRECT) -> None:
        self._part: Part[Item] | None = None
        # The largest first, but those put off last; numbered, so that no two parts are compared.
        self._waiting: list[tuple[bool, int, int, Part[Item]]] = []
        self._number = 0
        self._doubts_max = DOUBTS_MAX
        self._rows_committed = 0
        # Devices of the records that were refused alone, by entry id.
        self._charged: defaultdict[Charge, dict[str, str]] = defaultdict(dict)
        self._refused: list[RefusedItem[Item, Reason]] = []
        self._aside: list[RefusedItem[Item, Reason]] = []
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
        """The records refused for their own sake since the last beginning."""
        return list(self._refused)

    @property
    def aside(self) -> list[RefusedItem[Item, Reason]]:
        """The records refused for the table's sake since the last beginning."""
        return list(self._aside)

    @property
    def is_fruitless(self) -> bool:
        """Whether the table takes nothing, as far as was tried: nothing was committed beside what was set aside."""
        if self.has_commits or not self._aside:
            return False
        return self._part is None or self.is_dubious

    @property
    def is_dubious(self) -> bool:
        """Whether enough was set aside to stop trying the rows one by one, whatever was committed before."""
        return len(self._aside) >= self._doubts_max

    @property
    def rest(self) -> list[Item]:
        """Everything that is not committed: waiting, refused or set aside."""
        current = [self._part.batch] if self._part else []
        waiting = [part.batch for *_, part in self._waiting]
        return current + waiting + [each.record for each in (*self._refused, *self._aside)]

    def add(self, batch: Item, route: WriteRoute) -> None:
        """More to write, of which nothing is known yet."""
        if batch.records:
            self._wait(Part(batch, route))
            if self._part is None:
                self._next()

    def cut(self, rows_max: int) -> None:
        """Make the current part small enough; what is cut off waits."""
        while (part := self._part) and part.batch.rows > max(1, rows_max):
            self.split()

    def commit(self) -> None:
        """The current part is in the table.

        What was set aside before the first commit is tried again behind it: the table that was to blame
        may have been empty, and has sound rows to show only now.
        """
        if not self.has_commits:
            for each in self._aside:
                self._wait(Part(each.record, WriteRoute.STAGED), is_put_off=True)
            self._aside.clear()
        self._rows_committed += self._current.batch.rows
        self._next()

    def stage(self) -> None:
        """The current part lost a race: once more, through the staging table."""
        part = self._current
        self._part = Part(part.batch, WriteRoute.STAGED, part.is_suspected)

    def split(self, *, is_suspected: bool = False) -> None:
        """The current part is written in halves, each suspected if it is or was."""
        part = self._current
        first, second = part.batch.split()
        is_suspected = is_suspected or part.is_suspected
        self._part = Part(first, part.route, is_suspected)
        self._wait(Part(second, part.route, is_suspected))

    def charge(self, charge: Charge, entry_id: str, device_id: str) -> bool:
        """A record that stands alone was refused; whether that is an epidemic.

        It is one when most of what is decided was refused alike, and of more than one device: a
        broken device alone may fill a batch.
        """
        alike = self._charged[charge]
        alike[entry_id] = device_id
        decided = self._rows_committed + sum(map(len, self._charged.values()))
        is_most = 2 * len(alike) > decided >= EPIDEMIC_ROWS_MIN
        return is_most and len({*alike.values()}) > 1

    def refuse(self, reason: Reason) -> None:
        """The current part's first record was refused for its own sake."""
        self._refused.append(self._take_out(reason))

    def set_aside(self, reason: Reason) -> None:
        """The current part's first record was refused for the table's sake."""
        self._aside.append(self._take_out(reason))

    def keep(self, part: Part[Item]) -> None:
        """Write the current part once more, with what is known of it now."""
        self._part = part

    def postpone(self, part: Part[Item]) -> None:
        """Write the current part once more, behind the others."""
        self._wait(part, is_put_off=True)
        self._next()

    def begin_again(self, batch: Item, route: WriteRoute) -> None:
        """No refusal counts: `batch` is all that was not committed, maybe with neighbours."""
        self._part = None
        self._waiting.clear()
        self._doubts_max *= 2
        self._charged.clear()
        self._refused.clear()
        self._aside.clear()
        self.add(batch, route)

    @property
    def _current(self) -> Part[Item]:
        assert self._part is not None, "nothing is left to write"
        return self._part

    def _wait(self, part: Part[Item], *, is_put_off: bool = False) -> None:
        self._number += 1
        heapq.heappush(self._waiting, (is_put_off, -part.batch.rows, self._number, part))

    def _next(self) -> None:
        self._part = heapq.heappop(self._waiting)[-1] if self._waiting else None

    def _take_out(self, reason: Reason) -> RefusedItem[Item, Reason]:
        part = self._current
        rest, record = part.batch.take_out(0)
        self._part = Part(rest, part.route, part.is_suspected) if rest.records else None
        if self._part is None:
            self._next()
        return RefusedItem(record, reason)
