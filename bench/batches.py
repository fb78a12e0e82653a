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
    *, batches: int, rows: int, known_percent: int, stored_rows: int | None = None
) -> tuple[Batch, list[Batch]]:
    """(what is in the table already, the batches), each of `rows` rows in the order of time; the former of as many too.

    The oldest `known_percent` of each batch are the newest before it; of few rows that share is kept over all batches.
    """
    stored = rows if stored_rows is None else stored_rows
    # Where each batch ends, if the new rows are spread evenly over all of them.
    ends = [
        stored + rows * number * (100 - known_percent) // 100 for number in range(1, batches + 1)
    ]
    entries = list(fleet_entries(USUAL_FLEET, ends[-1]))
    return decode(entries[:stored]), [decode(entries[end - rows : end]) for end in ends]


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
