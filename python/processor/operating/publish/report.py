"""What a replay prints: JSON lines for programs, sentences for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.stream.capture import Accepted, RefusedFrame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.stream.replay import Counts, Replayed


def json_lines(replayed: Replayed, *, name_file: bool) -> Iterator[str]:
    """The frame as JSON, one object for each record, or one in all if it has none.

    The payload is copied, so that its numbers keep their digits. `name_file` puts the file first,
    which tells lines of several files apart.
    """
    outcome = replayed.outcome
    start = f'{{"file":{json.dumps(replayed.file)},' if name_file else "{"
    start += f'"line":{outcome.line},'
    if isinstance(outcome, RefusedFrame):
        yield f'{start}"error":"{outcome.code}","offset":{outcome.offset}}}'
        return
    frame = outcome.frame
    start += f'"codec":"{frame.codec}",'
    if frame.command:
        yield start + '"command":true}'
    elif not frame.records:
        yield start + '"records":0}'
    start += f'"device_id":"{replayed.device_id}",'
    for record in frame.records:
        yield f'{start}"ts":"{record.timestamp}","payload":{record.payload.decode()}}}'


def refusal_text(replayed: Replayed) -> str | None:
    """`drive.hex:12: refused: crc_fail at byte 62`; None for a frame that was accepted."""
    outcome = replayed.outcome
    if isinstance(outcome, Accepted):
        return None
    return f"{replayed.file}:{outcome.line}: refused: {outcome.code} at byte {outcome.offset}"


@dataclass(frozen=True, slots=True)
class Summary:
    """How a replay ended. `records` are those that Redis confirmed, or that a dry run printed."""

    counts: Counts
    records: int
    seconds: float
    stream: str | None
    """None for a dry run."""
    interrupted: bool = False

    @property
    def records_per_second(self) -> int:
        """Rounded down; 0 when no time passed."""
        return int(self.records / self.seconds) if self.seconds > 0 else 0

    def as_json(self) -> str:
        """One JSON object on one line."""
        return json.dumps(
            {
                "stream": self.stream,
                "frames": self.counts.frames,
                "records": self.records,
                "refused": self.counts.refused,
                "commands": self.counts.commands,
                "empty": self.counts.empty,
                "seconds": round(self.seconds, 3),
                "records_per_second": self.records_per_second,
                "interrupted": self.interrupted,
            },
            separators=(",", ":"),
        )

    def as_text(self) -> str:
        """One sentence for the terminal."""
        counts = self.counts
        done = f"published to {self.stream}" if self.stream else "decoded, nothing published"
        return (
            f"{'interrupted: ' if self.interrupted else ''}{done}: {self.records:,} records of"
            f" {counts.frames:,} frames ({counts.refused:,} refused, {counts.commands:,} commands,"
            f" {counts.empty:,} without records) in {self.seconds:.2f} s,"
            f" {self.records_per_second:,} records/s"
        )
