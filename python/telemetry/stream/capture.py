"""Captured traffic to decoded frames: one frame in hex a line, or the raw bytes of frames."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from telemetry._codec import AvlFrame, AvlRefusal, decode_avl

if TYPE_CHECKING:
    from collections.abc import Iterator

# A raw capture begins with a preamble of zeros, or has some in the length field that follows a damaged one.
# Text has none.
_SNIFFED_BYTES = 64


@dataclass(frozen=True, slots=True)
class Accepted:
    """A frame and its place: the line in a hex capture, the number of the frame in a raw one."""

    line: int
    frame: AvlFrame


@dataclass(frozen=True, slots=True)
class RefusedFrame:
    """A frame that was refused whole; `offset` counts bytes from the start of the line or raw capture."""

    line: int
    code: str
    offset: int


Outcome: TypeAlias = Accepted | RefusedFrame


class Capture:
    """The frames of `source` for one device, in order; iterate once.

    A hex capture is read line by line, a raw one whole into memory. Both forms are told apart by
    their first bytes.
    """

    def __init__(self, source: BinaryIO, device_id: str) -> None:
        self.bytes_done = 0
        """Bytes of the source that were decoded; for a progress bar."""
        self._source = source
        self._device_id = device_id

    def __iter__(self) -> Iterator[Outcome]:
        head = self._source.read(_SNIFFED_BYTES)
        if b"\0" in head:
            return self._raw_frames(head + self._source.read())
        return self._hex_frames(head + self._source.readline())

    def _raw_frames(self, data: bytes) -> Iterator[Outcome]:
        for number, decoded in enumerate(decode_avl(data, self._device_id, resync=True), start=1):
            self.bytes_done = decoded.start
            yield _outcome(number, decoded)
        self.bytes_done = len(data)

    def _hex_frames(self, head: bytes) -> Iterator[Outcome]:
        number = 0
        for lines in (BytesIO(head), self._source):
            for line in lines:
                number += 1
                self.bytes_done += len(line)
                yield from decode_line(number, line, self._device_id)


def decode_line(number: int, line: bytes, device_id: str) -> Iterator[Outcome]:
    """The frames of one line: none if it is blank, as many as it holds up to the first refused one.

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
    for decoded in decode_avl(data, device_id, resync=False):
        yield _outcome(number, decoded)


def _not_hex(number: int, text: bytes) -> RefusedFrame:
    digits = b"".join(text.split())
    if digits.strip(b"0123456789abcdefABCDEF"):
        return RefusedFrame(number, "bad_preamble", 0)
    return RefusedFrame(number, "truncated", len(digits) // 2)


def _outcome(line: int, decoded: AvlFrame | AvlRefusal) -> Outcome:
    if isinstance(decoded, AvlRefusal):
        return RefusedFrame(line, decoded.code, decoded.offset)
    return Accepted(line, decoded)
