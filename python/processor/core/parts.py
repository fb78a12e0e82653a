"""What a batch that is written falls into: parts, one statement each, and single records that were refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, Protocol, Self, TypeVar

from processor.core.write_errors import WriteRoute


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
    """What is written with one statement, and how."""

    batch: Item
    route: WriteRoute
    is_suspected: bool = False
    """It was cut off a larger one that had no answer, and may hold the row that was to blame."""
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
    """What a row that stands alone was refused for: refusals alike, but for the day of the rows."""

    sqlstate: str | None
    constraint: str | None
