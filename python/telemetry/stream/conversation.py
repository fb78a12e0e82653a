"""What a device sends over one TCP connection, message by message: logins, pings, frames, padding. Pure.

| at the next byte | message | what follows |
| --- | --- | --- |
| `FF` | ping | nothing changes |
| `000F` and 15 ASCII digits | login | its IMEI is the device of all frames up to the next login |
| zeros that begin no frame | padding | nothing changes |
| anything else | frame, or a refusal | after a refusal the reading ends, or goes on where a message is known to begin |

Only the device's direction is read. A server's answer (`01`, or a 4-byte count) is refused as `bad_preamble`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from telemetry._codec import AvlFrame, decode_avl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FRAME_BYTES_MAX = 65_535 + 12
"""The codec's limit of a frame: of its length field, with header and checksum. This is also what is given to it at
once, so a refusal costs no more than this again."""

_PING = 0xFF
_LOGIN = re.compile(rb"\x00\x0f([0-9]{15})")
_PREAMBLE = bytes(4)
_HEADER_BYTES, _CHECKSUM_BYTES = 8, 4
_CODEC_IDS = {b"\x08", b"\x8e", b"\x10", b"\x0c", b"\x0d", b"\x0e", b"\x0f"}
_MAYBE_MESSAGE = re.compile(rb"(?=\x00\x00\x00\x00|\x00\x0f[0-9]{15})")
_NOT_ZERO = re.compile(rb"[^\x00]")


@dataclass(frozen=True, slots=True)
class Login:
    """The device says who it is."""

    start: int
    imei: str


@dataclass(frozen=True, slots=True)
class Ping:
    """The device keeps its link open."""

    start: int


@dataclass(frozen=True, slots=True)
class Padding:
    """Zeros between messages, or behind the last one."""

    start: int
    byte_count: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that was accepted whole, and the device that sent it."""

    start: int
    device_id: str
    decoded: AvlFrame


@dataclass(frozen=True, slots=True)
class Refusal:
    """Bytes that are no message, or a frame that was refused whole; `offset` is where it went wrong."""

    start: int
    code: str
    offset: int


Message: TypeAlias = Login | Ping | Padding | Frame | Refusal


class Conversation:
    """Reads the messages of one device's bytes; keeps the device between calls of `read`.

    `device_of` gives the device of the frames behind a login, and of those before the first one (None).
    """

    def __init__(self, device_of: Callable[[str | None], str]) -> None:
        self._device_of = device_of
        self._device_id = device_of(None)

    def read(self, data: bytes, *, resync: bool) -> Iterator[Message]:
        """The messages in `data`, which holds whole ones; places count from its first byte.

        The reading ends at the first refusal. With `resync` it goes on: where the refused frame ends
        if a message begins there, else at the next login or sound frame.
        """
        at = 0
        behind_frame = False
        while at < len(data):
            if data[at] == _PING:
                yield Ping(at)
                at += 1
            elif login := _LOGIN.match(data, at):
                imei = login[1].decode()
                self._device_id = self._device_of(imei)
                yield Login(at, imei)
                at = login.end()
            elif (end := _padding_end(data, at, behind_frame=behind_frame)) > at:
                yield Padding(at, end - at)
                at = end
            else:
                for message in self._frames(data, at):
                    yield message
                    at = _end_of(data, message)
                    if isinstance(message, Refusal) and not resync:
                        return
                behind_frame = True

    def _frames(self, data: bytes, at: int) -> Iterator[Frame | Refusal]:
        """The sound frames that follow each other from `at` on; if there are none, the refusal of the first.

        Behind a sound frame, what would be refused may be padding instead, so it is looked at again.
        """
        window = data[at : at + FRAME_BYTES_MAX]
        end = 0
        while (frame_end := _frame_end(window, end)) is not None:
            end = frame_end
        for decoded in decode_avl(window[: end or None], self._device_id, resync=False):
            start = at + decoded.start
            if isinstance(decoded, AvlFrame):
                yield Frame(start, self._device_id, decoded)
            elif start == at:
                yield Refusal(start, decoded.code, at + decoded.offset)


def _end_of(data: bytes, message: Frame | Refusal) -> int:
    """Where the reading goes on behind a frame or a refusal."""
    if isinstance(message, Frame):
        return message.start + message.decoded.frame_bytes
    end = _frame_end(data, message.start)
    if end is not None and _begins_message(data, end):
        return end
    starts = (found.start() for found in _MAYBE_MESSAGE.finditer(data, message.start + 1))
    return next(
        (start for start in starts if _LOGIN.match(data, start) or _is_sound(data, start)),
        len(data),
    )


def _frame_end(data: bytes, start: int) -> int | None:
    """Where the frame at `start` ends by its own length; None if it is no frame, not whole, or too long."""
    header = data[start : start + _HEADER_BYTES]
    length = int.from_bytes(header[len(_PREAMBLE) :])
    end = start + _HEADER_BYTES + length + _CHECKSUM_BYTES
    if not header.startswith(_PREAMBLE) or length == 0 or end > len(data):
        return None
    return end if end - start <= FRAME_BYTES_MAX else None


def _begins_message(data: bytes, at: int) -> bool:
    """True at the end of the data too: nothing there contradicts the frame before."""
    head = data[at : at + len(_PREAMBLE)]
    return not any(head) or head[0] == _PING or _LOGIN.match(data, at) is not None


def _is_sound(data: bytes, start: int) -> bool:
    end = _frame_end(data, start)
    # The device is not looked at here; any one will do.
    return end is not None and isinstance(
        decode_avl(data[start:end], "0" * 15, resync=False)[0], AvlFrame
    )


def _padding_end(data: bytes, at: int, *, behind_frame: bool) -> int:
    """Where zeros end that begin no message; `at` if there are none.

    A frame begins with zeros itself: four of the preamble, two or three of its length.
    """
    found = _NOT_ZERO.search(data, at)
    first = found.start() if found else len(data)
    zeros = first - at
    # A header whose length is zero begins no frame.
    has_no_frame = zeros >= _HEADER_BYTES
    if found is None:
        return first if behind_frame or has_no_frame else at
    if zeros > 1 and _LOGIN.match(data, first - 1):
        return first - 1
    if data[first] == _PING and (
        has_no_frame
        # Else `FF` may be in a frame's length.
        or (behind_frame and _begins_message(data, first + 1) and not _is_sound(data, at))
    ):
        return first
    starts = [start for start in (first - 7, first - 6) if start > at]
    for start in starts:
        if _is_sound(data, start):
            return start
    likely = (start for start in starts if data[start + 8 : start + 9] in _CODEC_IDS)
    return next(likely, at) if has_no_frame else at
