"""A device that keeps at it: one frame at a time, and again what was not answered; and the frames that it may send."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

from tests.support.vectors import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.support.ingestion import Device, Ingestion

MALFORMED = "malformed.jsonl"
ANSWER_BYTES = 4
# Devices' own setting: without an answer for so long they close the connection, and send again.
ANSWER_TIMEOUT_S = 1.0


def of_one(frame: str) -> Callable[[], bytes]:
    """Always the same frame."""
    data = bytes.fromhex(frame)
    return lambda: data


def of_many(frames: Iterable[str]) -> Callable[[], bytes]:
    """These frames in turn."""
    turn = itertools.cycle(map(bytes.fromhex, frames))
    return lambda: next(turn)


def unknown_codecs() -> Callable[[], bytes]:
    """Different frames of codecs that are not known: none comes often enough in a row to be put aside."""
    found = [row["hex"] for row in rows(MALFORMED, "expected", "unknown_codec")]
    return of_many(each for each in found if each.startswith("00000000"))


def undecodable() -> Callable[[], bytes]:
    """One frame with a right CRC that cannot be decoded."""
    return of_one(rows(MALFORMED, "id", "mal-io-13")[0]["hex"])


class ResendingDevice:
    """Sends one frame at a time, and again over a new connection what was not answered in time.

    It has no thread: whoever holds it calls `live`, which hardly waits.
    """

    def __init__(self, service: Ingestion, number: int, frames: Callable[[], bytes]) -> None:
        self._service = service
        self._number = number
        self._frames = frames
        self._connection: Device | None = None
        self._frame = b""
        self._sent_s = 0.0

    def live(self) -> None:
        """Take an answer, if one has come; send the next frame, or the same again."""
        if self._connection is None:
            try:
                self._connection = self._service.login(self._number)
            except ConnectionRefusedError:
                # The service is stopped or not up again: a device tries later.
                return
            self._send(self._frame)
        elif self._connection.has_heard():
            # Closed without an answer, or answered.
            if len(self._connection.receive(ANSWER_BYTES)) < ANSWER_BYTES:
                self.close()
            else:
                self._frame = b""
        elif self._frame and time.monotonic() - self._sent_s > ANSWER_TIMEOUT_S:
            self.close()
        elif not self._frame:
            self._send(self._frames())

    def close(self) -> None:
        """Close the connection; the frame that was not answered stays."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, frame: bytes) -> None:
        assert self._connection is not None
        self._frame = frame
        self._sent_s = time.monotonic()
        self._connection.send(frame)
