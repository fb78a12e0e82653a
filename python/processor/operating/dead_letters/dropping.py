"""Drops dead letters for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.edges.redis.scripts import DROP
from processor.operating.dead_letters.changing import ChangeReport, Manner, change_in_batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from processor.operating.access import StreamAccess


def drop(
    access: StreamAccess, batches: Iterable[Sequence[str]], report: ChangeReport, manner: Manner
) -> None:
    """Drop the letters with these ids, or only look which are there; the report has what was done."""

    def drop_some(ids: Sequence[str]) -> None:
        found = access.run(DROP, (access.names.dead_letters,), int(report.dry_run), *ids)
        there = {letter_id.decode() for letter_id in found}
        for letter_id in ids:
            if letter_id in there:
                report.change(letter_id)
            else:
                report.missing(letter_id)

    change_in_batches(batches, drop_some, report, manner)
