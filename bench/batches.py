"""Batches as the service writes them, of a fleet that sends part of its records twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.entries import USUAL_FLEET, fleet_entries
from bench.replies import as_replies
from telemetry._codec import Batch, Delivery, ReplyParser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.stream.entry import Entry


def overlapping_batches(
    *, batches: int, rows: int, known_percent: int
) -> tuple[Batch, list[Batch]]:
    """(what is in the table already, the batches), each of `rows` rows in the order of time.

    The oldest `known_percent` of each batch are the newest of the one before.
    """
    step = rows * (100 - known_percent) // 100
    entries = list(fleet_entries(USUAL_FLEET, rows + batches * step))
    found = [
        decode(entries[first : first + rows])
        for first in range(0, len(entries) - rows + 1, step or rows)
    ]
    return found[0], found[1:] if step else found * batches


def decode(entries: Sequence[Entry]) -> Batch:
    """The batch of these entries."""
    parser = ReplyParser()
    parts = []
    for reply in as_replies(entries):
        for piece in reply:
            parser.feed(piece)
        delivery = parser.next_read()
        assert isinstance(delivery, Delivery)
        parts.append(delivery.batch)
    return Batch.merge(parts)
