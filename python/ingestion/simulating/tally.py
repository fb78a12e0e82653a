"""What all devices of a simulation did, and the records that they write down."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingestion.simulating.latencies import Latencies
from telemetry.stream.avl_frames import published_times

if TYPE_CHECKING:
    from typing import TextIO

    from ingestion.simulating.frames import OutgoingFrame


class RecordLog:
    """A file with a line for each record of some frames: `device_id`, and the Position's `timestamp` as `ts`."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, imei: str, frame: OutgoingFrame) -> None:
        """A line for each record of the frame, at once. Raises OSError."""
        for ts in published_times(frame.data, imei):
            line = json.dumps({"device_id": imei, "ts": ts}, separators=(",", ":"))
            self._file.write(line + "\n")
        # Whoever follows the file sees what was answered by now.
        self._file.flush()


@dataclass(slots=True)
class Tally:
    """Counts, so far."""

    sent_records: RecordLog | None = None
    answered_records: RecordLog | None = None
    frames_sent: int = 0
    """Repeats and damaged ones included."""
    frames_resent: int = 0
    """Repeats alone."""
    frames_answered: int = 0
    """Frames, however often each was sent."""
    records_answered: int = 0
    connections: int = 0
    """Logins that were admitted."""
    refused: int = 0
    """Logins that were refused."""
    timeouts: int = 0
    """Frames and logins without an answer in time; damaged frames have none."""
    links_lost: int = 0
    """Connections that were not made, or that the server ended."""
    wrong_answers: int = 0
    """Answers with another number, to nothing, or to a damaged frame."""
    frames_begun: int = 0
    """Frames that devices took in hand."""
    answer_times: Latencies = field(default_factory=Latencies)
    """From when a frame was due until its answer."""

    @property
    def frames_in_hand(self) -> int:
        """Frames that have no answer yet."""
        return self.frames_begun - self.frames_answered

    def about_to_send(self, imei: str, frame: OutgoingFrame, *, again: bool) -> None:
        """A frame goes out, for the first time or again; whether it will arrive is not known."""
        self.frames_sent += 1
        self.frames_resent += again
        if self.sent_records is not None and not again:
            self.sent_records.write(imei, frame)

    def answered(self, imei: str, frame: OutgoingFrame, ms: float) -> None:
        """A frame has its answer, for the first time."""
        self.frames_answered += 1
        self.records_answered += frame.records
        self.answer_times.add(ms)
        if self.answered_records is not None:
            self.answered_records.write(imei, frame)
