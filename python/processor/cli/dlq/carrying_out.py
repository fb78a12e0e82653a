"""Carries a change of chosen letters out, with a progress bar, and says how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from processor.cli.dlq.options import dead_letters_opened, notice_unknown_codes
from processor.operating.dead_letters.changing import Manner
from processor.operating.dead_letters.reading import DeadLetters, in_batches
from telemetry.chassis.cli import MISUSE, Failed, say
from telemetry.chassis.cli.interrupts import Interrupts
from telemetry.chassis.cli.tables import progress
from telemetry.chassis.errors import RedisError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from processor.cli.dlq.options import Chosen
    from processor.operating.access import StreamAccess
    from processor.operating.dead_letters.changing import ChangeReport
    from processor.operating.pace import Pace


class Change(Protocol):
    """A use case that changes letters by their ids."""

    def __call__(
        self, access: StreamAccess, batches: Iterable[Sequence[str]], *, manner: Manner
    ) -> None:
        """Change these letters; its report has what was done."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended before everything was done; neither if it was done."""

    interrupted: bool = False
    error: str | None = None
    """Redis went away or refused, after a part was done."""


def carry_out(
    change: Change, chosen: Chosen, report: ChangeReport, pace: Pace, *, takes_one: bool = False
) -> Ending:
    """Change the chosen letters. Raises RedisError only if nothing was done.

    `takes_one`: refuses to change anything unless exactly one letter is chosen.
    """
    try:
        with Interrupts() as interrupts, dead_letters_opened() as access:
            ids, letters = _source(access, chosen)
            total = letters.total if letters else len(chosen.ids)
            if takes_one:
                ids = _the_only(ids)
            with progress("dead letters", total) as advance:
                manner = Manner(
                    pace=pace,
                    answered=interrupts.held,
                    on_batch=lambda done: advance(letters.seen if letters else done),
                )
                change(access, in_batches(ids, pace.at_once), manner=manner)
            if letters:
                notice_unknown_codes(chosen.filters, letters)
    except KeyboardInterrupt:
        _say_unanswered(report)
        return Ending(interrupted=True)
    except RedisError as error:
        _say_unanswered(report)
        if report.dry_run or not report.changed:
            raise
        return Ending(error=str(error))
    return Ending()


def _source(access: StreamAccess, chosen: Chosen) -> tuple[Iterator[str], DeadLetters | None]:
    """The ids, and the letters that they are found in unless someone typed them."""
    if chosen.ids:
        return iter(chosen.ids), None
    letters = DeadLetters(access, chosen.filters)
    return (letter.letter_id for letter in letters), letters


def _the_only(ids: Iterator[str]) -> Iterator[str]:
    found = [*islice(ids, 2)]
    if len(found) > 1:
        raise Failed(
            f"--payload mends exactly one letter, and several fit, {found[0]} and {found[1]} among"
            " them: name one by its id",
            MISUSE,
        )
    return iter(found)


def _say_unanswered(report: ChangeReport) -> None:
    if report.unanswered:
        say(
            f"the answer to the last request is missing: {report.unanswered} more letters may be done. Each is done"
            " or as it was; the same command again takes what is left"
        )
