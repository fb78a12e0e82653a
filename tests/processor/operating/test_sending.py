from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from processor.operating.pace import Pace
from processor.operating.publish.sending import send
from telemetry.stream.capture import Capture, RefusedFrame
from telemetry.stream.replay import Replayed
from tests.support.vectors import COMMAND, DRIVE, EMPTY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.stream.entry import Entry

DEVICE = "356307042441013"


class Sink:
    """A clock that only sleeping moves, and a stream that remembers when what came."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.batches: list[tuple[float, int]] = []
        self.entries: list[Entry] = []

    def clock(self) -> float:
        """Seconds from somewhere."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    def publish(self, entries: Sequence[Entry]) -> None:
        """Remember the batch and its time."""
        self.batches.append((self.now - 1_000.0, len(entries)))
        self.entries.extend(entries)


def frames(text: bytes) -> list[Replayed]:
    return [Replayed("f", one) for one in Capture(io.BytesIO(text), lambda _: DEVICE)]


def sent(replayed: list[Replayed], rate: float | None) -> Sink:
    sink = Sink()
    send(replayed, sink, Pace(rate), clock=sink.clock, sleep=sink.sleep)
    return sink


def test_records_are_sent_in_order_in_full_batches_and_a_last_one() -> None:
    drive = frames(DRIVE.read_bytes())
    sink = sent(drive, None)
    assert [count for _, count in sink.batches] == [1_000] * 13 + [732]
    wire_order = [
        record.payload
        for one in drive
        if not isinstance(one.outcome, RefusedFrame)
        for record in one.outcome.frame.records
    ]
    assert [entry.payload for entry in sink.entries] == wire_order


def test_a_rate_is_kept_from_the_first_batch_to_the_last() -> None:
    drive = frames(DRIVE.read_bytes())
    sink = sent(drive, 2_000)
    assert [count for _, count in sink.batches] == [100] * 137 + [32]
    due = [number * 100 / 2_000 for number in range(138)]
    assert [at for at, _ in sink.batches] == pytest.approx(due)


def test_a_rate_below_the_batches_a_second_sends_one_record_at_a_time() -> None:
    sink = sent(frames(DRIVE.read_bytes())[:2], 0.5)
    assert sink.batches[:3] == [(0.0, 1), (2.0, 1), (4.0, 1)]


def test_frames_without_records_send_nothing() -> None:
    assert sent(frames(f"{COMMAND}\n{EMPTY}\nnoise\n".encode()), None).batches == []
