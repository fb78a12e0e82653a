"""Recordings to a sequence of frames, round after round, counted on the way."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from telemetry.stream.capture import Accepted, Capture, Outcome, Passed, RefusedFrame
from telemetry.stream.imei import imei_after

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDARD_INPUT = "-"
# The example device of the vendor's protocol pages.
DEVICE_ID_DEFAULT = "356307042441013"


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What to replay: files in order, `rounds` times, each round from the same devices or from new ones."""

    files: tuple[str, ...]
    device_id: str | None = None
    """The device of all frames, whatever the logins say. None: the login before the frame decides, and
    `DEVICE_ID_DEFAULT` has the frames before the first login."""
    rounds: int = 1
    new_devices: bool = False

    def device_of(self, round_index: int, login: str | None) -> str:
        """The device of the frames behind this login, in a round counted from 0."""
        imei = self.device_id or login or DEVICE_ID_DEFAULT
        return imei_after(imei, round_index if self.new_devices else 0)


@dataclass(slots=True)
class Counts:
    """What a replay has read so far."""

    frames: int = 0
    """All frames, refused ones included."""
    records: int = 0
    refused: int = 0
    commands: int = 0
    empty: int = 0
    """Frames of codec 8, 8E or 16 without records."""
    bytes_done: int = 0
    """Bytes of recordings that were decoded."""
    passed: Passed = field(default_factory=Passed)
    """Logins, pings and padding."""

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
    outcome: Outcome


@dataclass(slots=True)
class Replay:
    """The frames of a plan in order; `counts` keeps pace with the iteration. Each file is a conversation."""

    plan: ReplayPlan
    counts: Counts = field(default_factory=Counts)

    def __iter__(self) -> Iterator[Replayed]:
        for round_index in range(self.plan.rounds):
            for file in self.plan.files:
                yield from self._frames(file, round_index)

    def _frames(self, file: str, round_index: int) -> Iterator[Replayed]:
        bytes_before = self.counts.bytes_done
        with _opened(file) as source:
            capture = Capture(source, partial(self.plan.device_of, round_index))
            capture.passed = self.counts.passed
            for outcome in capture:
                self.counts.add(outcome)
                self.counts.bytes_done = bytes_before + capture.bytes_done
                yield Replayed(file, outcome)


def _opened(file: str) -> nullcontext[BinaryIO] | BinaryIO:
    if file == STANDARD_INPUT:
        return nullcontext(sys.stdin.buffer)
    return Path(file).open("rb")
