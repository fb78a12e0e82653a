"""What a replay prints: JSON lines for programs, sentences and a progress bar for people."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from telemetry.stream.capture import Accepted, RefusedFrame
from telemetry.stream.replay import STANDARD_INPUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.stream.capture import Passed
    from telemetry.stream.replay import Counts, Replay, Replayed

# For what a recording may do that a device does not.
_ADVICE = {
    "bad_preamble": ": no frame, login or ping begins here; leave out what the server sent",
    "truncated": ": the frame goes on beyond the end; put a frame that was cut into one line",
}


def json_lines(replayed: Replayed, *, name_file: bool) -> Iterator[str]:
    """The frame as JSON, one object for each record, or one in all if it has none.

    The payload is copied, so that its numbers keep their digits. `name_file` puts the file first,
    which distinguishes the lines of several files.
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
    start += f'"device_id":"{outcome.device_id}",'
    for record in frame.records:
        yield f'{start}"ts":"{record.timestamp}","payload":{record.payload.decode()}}}'


def refusal_text(replayed: Replayed) -> str | None:
    """`drive.hex:12: refused: crc_fail at byte 62`, and what to do; None for a frame that was accepted."""
    outcome = replayed.outcome
    if isinstance(outcome, Accepted):
        return None
    advice = _ADVICE.get(outcome.code, "")
    return (
        f"{replayed.file}:{outcome.line}: refused: {outcome.code} at byte {outcome.offset}{advice}"
    )


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
                "logins": self.counts.passed.logins,
                "pings": self.counts.passed.pings,
                "padding_bytes": self.counts.passed.padding_bytes,
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
            f" {counts.empty:,} without records{_passed_text(counts.passed)}) in {self.seconds:.2f} s,"
            f" {self.records_per_second:,} records/s"
        )


def _passed_text(passed: Passed) -> str:
    """`; 1 logins, 2 pings, 12 bytes of zero padding`, or nothing for a recording of frames alone."""
    parts = (
        (passed.logins, "logins"),
        (passed.pings, "pings"),
        (passed.padding_bytes, "bytes of zero padding"),
    )
    found = ", ".join(f"{count:,} {name}" for count, name in parts if count)
    return found and f"; {found}"


def with_progress(replay: Replay) -> Iterator[Replayed]:
    """The frames of `replay`; a bar follows them if standard error is a terminal."""
    if not sys.stderr.isatty():
        return iter(replay)
    return _with_bar(replay)


def _with_bar(replay: Replay) -> Iterator[Replayed]:
    # Imported late: it takes longer than publishing a small capture.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (
        TextColumn("publishing"),
        BarColumn(),
        TextColumn("{task.fields[records]:,} records"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=_total_bytes(replay), records=0)
        for count, replayed in enumerate(replay):
            yield replayed
            if count % 256 == 0:
                counts = replay.counts
                progress.update(task, completed=counts.bytes_done, records=counts.records)


def _total_bytes(replay: Replay) -> int | None:
    """The bytes of all rounds; None if the size of a source is unknown, which makes the bar a pulse."""
    files = replay.plan.files
    if STANDARD_INPUT in files or not all(Path(file).is_file() for file in files):
        return None
    return sum(Path(file).stat().st_size for file in files) * replay.plan.rounds
