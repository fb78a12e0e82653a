"""Finds the rows that a server refuses: which part of a batch is written next, by what became of the others.

A refused part is halved until the row stands alone, and everything beside it is committed. For k bad
rows among n that takes at most 2·k·⌈log₂ n⌉ + 1 statements after the refused one: a bad row is on one
path of halvings, with two statements on each level; two paths share at least their first level, which
leaves one statement for each repeat that takes a refused row's place.

Nothing here writes. The caller writes `part`, says what became of it, and asks again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from processor.core.verdicts import Path

DOUBTS_MAX = 8
"""Rows refused by an undecided failure, one after the other and none committed, until the whole batch
is taken to be the world's failure and waits. Doubled each time, so that any number is got past."""


class Dissectable(Protocol):
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


Item = TypeVar("Item", bound=Dissectable)
Reason = TypeVar("Reason")


@dataclass(frozen=True, slots=True)
class Part(Generic[Item]):
    """What is written with one statement, and how."""

    batch: Item
    path: Path


@dataclass(frozen=True, slots=True)
class Refused(Generic[Item, Reason]):
    """One record that was refused when it stood alone."""

    record: Item
    reason: Reason


class Dissection(Generic[Item, Reason]):
    """The parts of one batch that are still to be written. The last one is the current one."""

    def __init__(self, batch: Item, path: Path = Path.DIRECT) -> None:
        self._batch = batch
        self._path = path
        self._parts = [Part(batch, path)]
        self._doubts_max = DOUBTS_MAX
        self._committed = False
        self._refused: list[Refused[Item, Reason]] = []
        self._doubtful: list[Refused[Item, Reason]] = []

    @property
    def batch(self) -> Item:
        """The whole, as long as nothing of it is committed."""
        return self._batch

    @property
    def doubtful_reason(self) -> Reason:
        """Why the first record in doubt was refused."""
        return self._doubtful[0].reason

    @property
    def part(self) -> Part[Item] | None:
        """What to write next; None when every record is committed, refused or in doubt."""
        return self._parts[-1] if self._parts else None

    @property
    def refused(self) -> list[Refused[Item, Reason]]:
        """The records refused for their own sake so far; those in doubt are, once a neighbour is committed."""
        return self._refused + (self._doubtful if self._committed else [])

    @property
    def blames_the_world(self) -> bool:
        """Whether undecided failures speak against the server: nothing was committed beside them."""
        if self._committed or not self._doubtful:
            return False
        return not self._parts or len(self._doubtful) >= self._doubts_max

    @property
    def asks_for_the_schema(self) -> bool:
        """Whether the refusal just now may be the table's fault: the first one, or the last of all rows.

        The question at the beginning spares the refusal of every single row, which takes long.
        """
        if self._committed or not self._refused:
            return False
        return not self._parts or len(self._refused) == 1

    def commit(self) -> None:
        """The current part is in the table."""
        self._parts.pop()
        self._committed = True

    def stage(self) -> None:
        """The current part lost a race: once more, through the staging table."""
        self._parts.append(Part(self._parts.pop().batch, Path.STAGED))

    def split(self) -> None:
        """The current part was refused because of one of its rows."""
        part = self._parts.pop()
        self._parts += [Part(half, part.path) for half in reversed(part.batch.split())]

    def refuse(self, reason: Reason) -> None:
        """The current part's only row was refused for its own sake."""
        self._refused.append(self._take_out(reason))

    def doubt(self, reason: Reason) -> None:
        """The current part's only row was refused, and it is not known yet for whose sake."""
        self._doubtful.append(self._take_out(reason))

    def postpone(self, *, halved: bool) -> None:
        """The world failed the current part: once more behind the others, maybe in halves."""
        part = self._parts.pop()
        batches = part.batch.split() if halved else (part.batch,)
        self._parts[:0] = [Part(batch, part.path) for batch in batches]

    def begin_again(self, batch: Item) -> None:
        """Nothing was committed, and no refusal counts: `batch` is the whole, maybe with neighbours."""
        assert not self._committed, "what is committed is not written again"
        self._batch = batch
        self._parts = [Part(batch, self._path)]
        self._doubts_max *= 2
        self._refused.clear()
        self._doubtful.clear()

    def _take_out(self, reason: Reason) -> Refused[Item, Reason]:
        part = self._parts.pop()
        rest, record = part.batch.take_out(0)
        if rest.records:
            self._parts.append(Part(rest, part.path))
        return Refused(record, reason)
