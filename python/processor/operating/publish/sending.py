"""The loop from replayed frames to the stream: batches, at the pace that was asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from telemetry.stream.capture import Accepted
from telemetry.stream.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from telemetry.stream.replay import Replayed

# Pipelines beyond this size gained nothing, and the counts after an interruption get coarser.
_BATCH_RECORDS_MAX = 1_000
# A paced replay sends this often, which is even enough to look like a stream of devices.
_BATCHES_A_SECOND = 20


@dataclass(frozen=True, slots=True)
class Pace:
    """A rate to keep, in records a second; None sends as fast as Redis takes them."""

    records_per_second: float | None = None

    @property
    def batch_records(self) -> int:
        """Records to send at once."""
        if self.records_per_second is None:
            return _BATCH_RECORDS_MAX
        return max(1, min(_BATCH_RECORDS_MAX, int(self.records_per_second / _BATCHES_A_SECOND)))

    def wait_seconds(self, records_sent: int, elapsed_seconds: float) -> float:
        """How long the next batch has to wait when `records_sent` went out in `elapsed_seconds`."""
        if self.records_per_second is None:
            return 0.0
        return max(0.0, records_sent / self.records_per_second - elapsed_seconds)


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
    for batch in _batches(frames, pace.batch_records):
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
