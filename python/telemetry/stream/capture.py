"""Recorded conversations to decoded frames: lines of hex, each of whole messages, or the raw bytes of a connection."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from telemetry.stream.conversation import (
    Conversation,
    Frame,
    Login,
    Message,
    Padding,
    Ping,
    Refusal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from telemetry._codec import AvlFrame

# A raw recording begins with a login, a preamble of zeros or a ping, or has zeros in the length field that
# follows a damaged preamble. Hex text has neither byte.
_SNIFFED_BYTES = 64
_RAW_BYTES = (0x00, 0xFF)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A frame, its device and its place: the line in a hex recording, the number of the frame in a raw one."""

    line: int
    device_id: str
    frame: AvlFrame
    wire: bytes
    """As the device sent it."""


@dataclass(frozen=True, slots=True)
class RefusedFrame:
    """A frame that was refused whole; `offset` counts bytes from the start of the line or raw recording."""

    line: int
    code: str
    offset: int


Outcome: TypeAlias = Accepted | RefusedFrame


@dataclass(slots=True)
class Passed:
    """What a recording holds besides frames."""

    logins: int = 0
    pings: int = 0
    padding_bytes: int = 0
    """Zeros between messages and behind the last one."""

    def add(self, message: Login | Ping | Padding) -> None:
        """Count one message."""
        match message:
            case Login():
                self.logins += 1
            case Ping():
                self.pings += 1
            case Padding():
                self.padding_bytes += message.byte_count


class Capture:
    """The frames of one recorded conversation, in order; iterate once.

    A hex recording is read line by line, a raw one whole into memory. The first bytes show which it is.
    `device_of` gives the device of the frames behind a login, and of those before the first one (None).
    """

    def __init__(self, source: BinaryIO, device_of: Callable[[str | None], str]) -> None:
        self.bytes_done = 0
        """Bytes of the source that were decoded; for a progress bar."""
        self.passed = Passed()
        self._source = source
        self._conversation = Conversation(device_of)

    def __iter__(self) -> Iterator[Outcome]:
        head = self._source.read(_SNIFFED_BYTES)
        if any(byte in head for byte in _RAW_BYTES):
            return self._raw_frames(head + self._source.read())
        return self._hex_frames(head + self._source.readline())

    def _raw_frames(self, data: bytes) -> Iterator[Outcome]:
        number = 1
        for message in self._conversation.read(data, resync=True):
            self.bytes_done = message.start
            for outcome in self._outcomes(number, message, data):
                yield outcome
                number += 1
        self.bytes_done = len(data)

    def _hex_frames(self, head: bytes) -> Iterator[Outcome]:
        number = 0
        for lines in (BytesIO(head), self._source):
            for line in lines:
                number += 1
                self.bytes_done += len(line)
                yield from self._line_frames(number, line)

    def _line_frames(self, number: int, line: bytes) -> Iterator[Outcome]:
        """The frames of a line up to the first refused one; none if it is blank.

        A line that is not hex does not begin with a frame's preamble: `bad_preamble`. One that ends
        within a byte was cut off: `truncated`.
        """
        text = line.strip()
        if not text:
            return
        try:
            data = bytes.fromhex(text.decode("ascii"))
        except ValueError:
            yield _not_hex(number, text)
            return
        for message in self._conversation.read(data, resync=False):
            yield from self._outcomes(number, message, data)

    def _outcomes(self, line: int, message: Message, data: bytes) -> Iterator[Outcome]:
        match message:
            case Frame():
                wire = data[message.start : message.start + message.decoded.frame_bytes]
                yield Accepted(line, message.device_id, message.decoded, wire)
            case Refusal():
                yield RefusedFrame(line, message.code, message.offset)
            case _:
                self.passed.add(message)


def _not_hex(number: int, text: bytes) -> RefusedFrame:
    digits = b"".join(text.split())
    if digits.strip(b"0123456789abcdefABCDEF"):
        return RefusedFrame(number, "bad_preamble", 0)
    return RefusedFrame(number, "truncated", len(digits) // 2)
