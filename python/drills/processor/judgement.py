"""Judge: what in the whole drill breaks the contract. Pure: observations in, violations out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drills.observed import GroupState


@dataclass(frozen=True, slots=True)
class Tally:
    """How often each published record was found in the table."""

    published: int
    rows: int
    """Rows with the drill's devices."""
    missing: frozenset[int]
    """Numbers of records without a row."""
    repeated: int
    """Rows beyond the first of a key: a table without its unique index has them."""
    foreign: int
    """Rows that nobody published."""

    @property
    def distinct(self) -> int:
        """Published records that are in the table."""
        return self.published - len(self.missing)


def tally(published: int, numbers: Iterable[int]) -> Tally:
    """Count the rows, given by their records' numbers, against what was published."""
    times = bytearray(published)
    rows = foreign = repeated = 0
    for number in numbers:
        rows += 1
        if not 0 <= number < published:
            foreign += 1
        elif times[number]:
            repeated += 1
        else:
            times[number] = 1
    missing = frozenset(number for number, seen in enumerate(times) if not seen)
    return Tally(published, rows, missing, repeated, foreign)


@dataclass(frozen=True, slots=True)
class FinalState:
    """What the servers hold when the drill is over."""

    tally: Tally
    inserted: int
    """Rows inserted, by the log lines of all lives."""
    group: GroupState
    unsettled: frozenset[int]
    """Numbers of records that are pending or undelivered."""
    dead_lettered: frozenset[int]
    """Numbers of records that became dead letters."""
    dead_letter_codes: tuple[str, ...]

    @property
    def lost(self) -> frozenset[int]:
        """Records that are nowhere: no row, no dead letter, neither pending nor undelivered."""
        return self.tally.missing - self.unsettled - self.dead_lettered

    @property
    def written_twice(self) -> int:
        """Rows too many: in the table, or by the rows that the log says were inserted.

        A life that is killed may not have logged its last commit; nothing is logged that was not committed.
        """
        return max(self.tally.repeated, self.inserted - self.tally.distinct, 0)


def judge_ending(ending: FinalState) -> list[str]:
    """What is wrong in the end, a sentence for each violation."""
    found = []
    if ending.lost:
        found.append(f"{len(ending.lost)} records are lost, the first is number {min(ending.lost)}")
    if ending.written_twice:
        found.append(f"{ending.written_twice} rows were written twice")
    if ending.tally.foreign:
        found.append(f"{ending.tally.foreign} rows of the drill's devices were never published")
    if not ending.group.settled:
        holders = ", ".join(
            f"{name} {pending}" for name, pending in ending.group.consumers if pending
        )
        waiting = "some entries undelivered" if ending.group.undelivered else "all delivered"
        found.append(
            f"not settled: {ending.group.pending} pending ({holders or 'nobody'}), {waiting}"
        )
    if ending.dead_lettered:
        codes = ", ".join(sorted(set(ending.dead_letter_codes)))
        found.append(f"{len(ending.dead_lettered)} valid records became dead letters: {codes}")
    return found
