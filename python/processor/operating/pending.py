"""Entries that were delivered and are not settled: whose they are, and what they have failed of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from processor.core.attempts import Attempts
from processor.edges.redis.scripts import COUNT_PENDING, IDS_MAX, LOOK_AT_PENDING
from processor.operating.names import shown, typed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from processor.operating.access import StreamAccess
    from telemetry.chassis.redis.resp import Argument

BEGINNING: Final = "0-0"
# Redis keeps nobody waiting for longer than for the other scripts: rows of the pending list are small.
ROWS_MAX: Final = 2_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A pending entry."""

    entry_id: str
    consumer: str
    idle_ms: int
    deliveries: int
    failures: int
    """Recorded ones."""
    last_code: str | None
    """Of the last of them."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which entries are meant."""

    consumer: str | None = None
    """As it was typed; None: of all."""
    min_idle_ms: int = 0

    def arguments(self, group: str, after_id: str, most: int) -> tuple[Argument, ...]:
        """What both scripts take."""
        of_consumer = () if self.consumer is None else (typed(self.consumer),)
        return (group, self.min_idle_ms, after_id, most, *of_consumer)


def entries(access: StreamAccess, filters: Filters) -> Iterator[Entry]:
    """The entries that match, the oldest first, asked for in pages. Raises what the client raises."""
    names, after_id = access.names, BEGINNING
    while True:
        which = filters.arguments(names.group, after_id, IDS_MAX)
        rows = access.run(LOOK_AT_PENDING, (names.stream, names.attempts), *which)
        page = [_entry(row) for row in rows]
        yield from page
        if len(page) < IDS_MAX:
            return
        after_id = page[-1].entry_id


def count_by_consumer(access: StreamAccess, filters: Filters) -> dict[str, int]:
    """How many entries match of each consumer, sorted by name. Raises what the client raises."""
    names, after_id = access.names, BEGINNING
    counts: Counter[str] = Counter()
    while True:
        which = filters.arguments(names.group, after_id, ROWS_MAX)
        found, last_id, *pairs = access.run(COUNT_PENDING, (names.stream,), *which)
        for name, number in zip(pairs[::2], pairs[1::2], strict=True):
            counts[shown(name)] += number
        if found < ROWS_MAX:
            return dict(sorted(counts.items()))
        after_id = last_id.decode()


def _entry(row: list[Any]) -> Entry:
    entry_id, consumer, idle_ms, deliveries, recorded = row
    attempts = None if recorded is None else Attempts.parse(recorded)
    return Entry(
        entry_id=entry_id.decode(),
        consumer=shown(consumer),
        idle_ms=idle_ms,
        deliveries=deliveries,
        failures=0 if attempts is None else attempts.failures,
        last_code=(attempts.code or None) if attempts is not None else None,
    )
