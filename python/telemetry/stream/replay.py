"""Captures to a sequence of frames, round after round, counted on the way."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from telemetry.stream.capture import Accepted, Capture, Outcome, RefusedFrame
from telemetry.stream.imei import imei_after

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What to replay: files in order, `rounds` times, all from one device or each round from a new one."""

    files: tuple[str, ...]
    device_id: str
    rounds: int = 1
    new_devices: bool = False

    def device_of(self, round_index: int) -> str:
        """The IMEI of a round, counted from 0."""
        return imei_after(self.device_id, round_index if self.new_devices else 0)


@dataclass(slots=True)
class Counts:
    """What a replay has met so far."""

    frames: int = 0
    """All frames, refused ones included."""
    records: int = 0
    refused: int = 0
    commands: int = 0
    empty: int = 0
    """Frames of codec 8, 8E or 16 without records."""
    bytes_done: int = 0
    """Bytes of captures that were decoded."""

    def add(self, outcome: Outcome) -> None:
        """Counts one frame."""
        self.frames += 1
        match outcome:
            case RefusedFrame():
                self.refused += 1
            case Accepted(frame=frame) if frame.command:
                self.commands += 1
            case Accepted(frame=frame):
                records = len(frame.records)
                self.records += records
                self.empty += records == 0


@dataclass(frozen=True, slots=True)
class Replayed:
    """One frame of a replay, and where it came from."""

    file: str
    device_id: str
    outcome: Outcome


@dataclass(slots=True)
class Replay:
    """The frames of a plan in order; `counts` keeps pace with the iteration."""

    plan: ReplayPlan
    counts: Counts = field(default_factory=Counts)

    def __iter__(self) -> Iterator[Replayed]:
        for round_index in range(self.plan.rounds):
            device_id = self.plan.device_of(round_index)
            for file in self.plan.files:
                yield from self._frames(file, device_id)

    def _frames(self, file: str, device_id: str) -> Iterator[Replayed]:
        bytes_before = self.counts.bytes_done
        with _opened(file) as source:
            capture = Capture(source, device_id)
            for outcome in capture:
                self.counts.add(outcome)
                self.counts.bytes_done = bytes_before + capture.bytes_done
                yield Replayed(file, device_id, outcome)


def _opened(file: str) -> nullcontext[BinaryIO] | BinaryIO:
    if file == STANDARD_INPUT:
        return nullcontext(sys.stdin.buffer)
    return Path(file).open("rb")
