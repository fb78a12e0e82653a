"""What happened between two samples; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from processor.journal.statistics import WRITE_DURATION_BOUNDS_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from processor.operating.top.sample import Counters, Sample


@dataclass(frozen=True, slots=True)
class Rates:
    """By second, of all instances together; None where nobody says."""

    published: float | None
    read: float | None
    inserted: float | None
    duplicates: float | None
    failed: float | None
    writes: int
    """Writes that ended in between."""
    write_mean_s: float | None
    write_p99_s: float | None
    """A bound that 99 of 100 of these writes kept; infinite above the largest."""


def rates(before: Sample, after: Sample) -> Rates:
    """An instance that is in one of the two samples only adds nothing: when it counted is not known."""
    passed_s = max(after.at_s - before.at_s, 1e-9)
    pairs = [*_pairs(before, after)]

    def by_second(difference: int) -> float | None:
        return max(0, difference) / passed_s if pairs else None

    def written(status: str) -> float | None:
        return by_second(
            sum(
                new.position_writes.get(status, 0) - old.position_writes.get(status, 0)
                for old, new in pairs
            )
        )

    counts = [
        sum(column) for column in zip(*(_differences(old, new) for old, new in pairs), strict=False)
    ]
    writes, sum_s = (
        sum(counts),
        sum(new.durations_sum_s - old.durations_sum_s for old, new in pairs),
    )
    return Rates(
        published=_published(before, after, passed_s),
        read=by_second(sum(new.records_read - old.records_read for old, new in pairs)),
        inserted=written("inserted"),
        duplicates=written("duplicate"),
        failed=written("failed"),
        writes=writes,
        write_mean_s=sum_s / writes if writes else None,
        write_p99_s=bound_of(counts, 0.99) if writes else None,
    )


def bound_of(counts: Sequence[int], share: float) -> float:
    """The smallest bound of the histogram that so many of its values are below; infinite if none is."""
    total, seen = sum(counts), 0
    for count, bound_s in zip(counts, WRITE_DURATION_BOUNDS_S, strict=False):
        seen += count
        if seen >= share * total:
            return bound_s
    return float("inf")


def _pairs(before: Sample, after: Sample) -> Iterator[tuple[Counters, Counters]]:
    known = {each.life: each.counters for each in before.working}
    for each in after.working:
        old = known.get(each.life)
        if old is not None and each.counters is not None:
            yield old, each.counters


def _differences(old: Counters, new: Counters) -> list[int]:
    return [later - earlier for earlier, later in zip(old.durations, new.durations, strict=False)]


def _published(before: Sample, after: Sample, passed_s: float) -> float | None:
    earlier, later = before.queue.entries_added, after.queue.entries_added
    if earlier is None or later is None:
        return None
    return max(0, later - earlier) / passed_s
