"""What replaying and dropping have in common: letters in batches, each answered before the next, and a report."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from processor.operating.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

MISSING: Final = "not among the dead letters"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A letter that was left as it is."""

    letter_id: str
    why: str


@dataclass(kw_only=True, slots=True)
class ChangeReport:
    """What was done so far. `seen`: the ids were found by filters; else someone typed them."""

    dry_run: bool
    seen: bool
    matched: int = 0
    changed: list[str] = field(default_factory=list)
    """The ids of letters that were changed; in a dry run, of those that would be."""
    skipped: list[Skipped] = field(default_factory=list)
    unanswered: int = 0
    """Letters of a request whose answer is missing: each is changed, or as it was."""

    def missing(self, letter_id: str) -> None:
        """The letter is not there: it was replayed or dropped meanwhile, or never was."""
        self.skipped.append(Skipped(letter_id, MISSING))
        self.matched += self.seen

    def skip(self, letter_id: str, why: str) -> None:
        """The letter is there, and stays."""
        self.skipped.append(Skipped(letter_id, why))
        self.matched += 1

    def change(self, letter_id: str) -> None:
        """The letter is changed, or would be."""
        self.changed.append(letter_id)
        self.matched += 1

    @property
    def is_whole(self) -> bool:
        """Whether all that was asked for is done, or would be, and that was something."""
        return bool(self.changed) and not self.skipped


@dataclass(frozen=True, kw_only=True, slots=True)
class Manner:
    """How letters are taken one batch after the other."""

    pace: Pace = field(default_factory=Pace)
    answered: Callable[[], AbstractContextManager[None]]
    """A block in which a request is under way: an interrupt waits for its answer."""
    on_batch: Callable[[int], None]
    """Is given the number of letters that were dealt with so far."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def change_in_batches(
    batches: Iterable[Sequence[str]],
    change: Callable[[Sequence[str]], None],
    report: ChangeReport,
    manner: Manner,
) -> None:
    """Give each batch to `change`, which puts into the report what was answered."""
    started = manner.clock()
    done = 0
    for batch in batches:
        manner.sleep(manner.pace.wait_seconds(done, manner.clock() - started))
        report.unanswered = 0 if report.dry_run else len(batch)
        with manner.answered():
            change(batch)
            report.unanswered = 0
        done += len(batch)
        manner.on_batch(done)
