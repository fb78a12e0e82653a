"""Bytes of a device as they came, to whole messages and what is in them; pure.

| the first bytes | message |
| --- | --- |
| `FF` | ping |
| `000F` and 15 digits | login |
| `00000000`, then the length of the data field | frame, of that length and 12 bytes |
| anything else | fragment: the rest of a message whose beginning was not seen, or rubbish |

A watch may begin within a message. From the server's next answer on, whatever comes begins one: a device sends nothing
while it waits.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from telemetry._codec import AvlFrame, decode_avl
from telemetry.stream.conversation import FRAME_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry._codec import AvlRefusal

_PING: Final = 0xFF
_LOGIN: Final = re.compile(rb"\x00\x0f([0-9]{15})")
_LOGIN_BYTES: Final = 17
_BEGINS_LOGIN: Final = re.compile(rb"\x00(?:\x0f[0-9]{0,15})?")
_PREAMBLE: Final = bytes(4)
_HEADER_BYTES, _CHECKSUM_BYTES = 8, 4


@dataclass(frozen=True, slots=True)
class Message:
    """One message, and what is in it."""

    kind: str
    """`ping`, `login`, `frame`, `command`, `refused` or `fragment`; of the server: `answer`."""
    data: bytes
    decoded: dict[str, Any]


class DeviceBytes:
    """What a device has sent on one connection, up to a message that is not whole yet."""

    def __init__(self, imei: str) -> None:
        self._imei = imei
        self._held = b""
        self._is_in_step = False

    def received(self, data: bytes) -> Iterator[Message]:
        """The messages that these bytes make whole."""
        self._held += data
        while self._held:
            size = self._size()
            if size is None:
                return
            message, self._held = self._held[:size], self._held[size:]
            yield self._read(message)

    def answered(self) -> None:
        """The server has answered: the rest of a message whose beginning was not seen is over."""
        if not self._is_in_step:
            self._held = b""
            self._is_in_step = True

    def _size(self) -> int | None:
        """Of the first message; of all that is held if it begins none. None: it is not whole."""
        held = self._held
        if held[0] == _PING:
            return 1
        if _LOGIN.match(held):
            return _LOGIN_BYTES
        if held.startswith(_PREAMBLE) and len(held) >= _HEADER_BYTES:
            size = _HEADER_BYTES + int.from_bytes(held[4:8]) + _CHECKSUM_BYTES
            if size > FRAME_BYTES_MAX:
                return len(held)
            return size if len(held) >= size else None
        is_begun = _PREAMBLE.startswith(held) or held.startswith(_PREAMBLE)
        return None if is_begun or _BEGINS_LOGIN.fullmatch(held) else len(held)

    def _read(self, data: bytes) -> Message:
        if data[0] == _PING:
            return Message("ping", data, {})
        if login := _LOGIN.fullmatch(data):
            self._is_in_step = True
            return Message("login", data, {"imei": login[1].decode()})
        if data.startswith(_PREAMBLE) and len(data) >= _HEADER_BYTES + _CHECKSUM_BYTES:
            return _frame(data, decode_avl(data, self._imei, resync=False)[0])
        self._is_in_step = False
        return Message("fragment", data, {})


def answer(data: bytes) -> Message:
    """What the server has sent: one byte to a login, four to a frame, seven to a datagram."""
    if len(data) == 1:
        return Message("answer", data, {"accepted": data == b"\x01"})
    records = int.from_bytes(data[-1:] if len(data) == 7 else data)
    return Message("answer", data, {"records": records})


def _frame(data: bytes, found: AvlFrame | AvlRefusal) -> Message:
    if not isinstance(found, AvlFrame):
        return Message("refused", data, {"code": found.code, "offset": found.offset})
    if found.command:
        return Message("command", data, {"codec": found.codec})
    positions = [json.loads(each.payload) for each in found.records]
    return Message(
        "frame", data, {"codec": found.codec, "records": len(positions), "positions": positions}
    )
