"""The loop from replayed frames to the stream: batches, at the pace that was asked for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from telemetry.stream.capture import Accepted
from telemetry.stream.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from processor.operating.pace import Pace
    from telemetry.stream.replay import Replayed


class Publisher(Protocol):
    """What the loop asks of the stream."""

    def publish(self, entries: Sequence[Entry]) -> None:
        """Append the entries in order; returns once all are confirmed."""


def send(
    frames: Iterable[Replayed],
    publisher: Publisher,
    pace: Pace,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Publishes the records of the frames in order; refused frames and commands have none."""
    started = clock()
    sent = 0
    for batch in _batches(frames, pace.at_once):
        sleep(pace.wait_seconds(sent, clock() - started))
        publisher.publish(batch)
        sent += len(batch)


def _batches(frames: Iterable[Replayed], batch_records: int) -> Iterator[list[Entry]]:
    waiting: list[Entry] = []
    for replayed in frames:
        waiting.extend(entries_of(replayed))
        while len(waiting) >= batch_records:
            yield waiting[:batch_records]
            del waiting[:batch_records]
    if waiting:
        yield waiting


def entries_of(replayed: Replayed) -> list[Entry]:
    """The stream entries of one frame, in wire order."""
    if not isinstance(replayed.outcome, Accepted):
        return []
    frame, device_id = replayed.outcome.frame, replayed.outcome.device_id
    return [
        Entry(record.timestamp, device_id, frame.codec, record.payload) for record in frame.records
    ]
