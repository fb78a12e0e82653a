"""Reads what a subscriber gets, of RESP3: pushes among replies, each of bounded size, whatever is published.

The codec's parser keeps a reply until it is whole, as entries want it; Redis forwards messages of up to 512 MB. Here
the bytes of a text that is too long are dropped as they come. Messages are rare, so this is plain Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

# Redis' own lines, errors among them, are shorter.
LINE_BYTES_MAX: Final = 16 * 1024
# A push has three or four; nothing here is nested deeper than a push.
ITEMS_MAX: Final = 16
DEPTH_MAX: Final = 4
LENGTH_DIGITS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class TooLong:
    """Stands for a text that was dropped."""

    length: int


@dataclass(frozen=True, slots=True)
class Push:
    """What the server says without being asked: its kind, and what belongs to it."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error that the server answered with."""

    message: str


Value: TypeAlias = "bytes | int | TooLong | Push | Refusal | list[Value] | None"


class NotAPush(Exception):
    """Bytes that a subscriber does not get: the connection is of no use any more."""


@dataclass(slots=True)
class _Open:
    """An array or push that is not complete yet."""

    is_push: bool
    missing: int
    items: list[Value]


class PushReader:
    """Turns bytes, cut anywhere, into values; keeps little of what is not complete."""

    def __init__(self, text_bytes_max: int) -> None:
        self._text_bytes_max = text_bytes_max
        self._buffer = bytearray()
        self._open: list[_Open] = []
        self._text_length: int | None = None
        # Of a text that is too long: its bytes that are still to come.
        self._drop_bytes = 0

    def feed(self, data: bytes) -> list[Value]:
        """The values that these bytes complete. Raises NotAPush; then the reader must not be used again."""
        self._buffer += data
        values: list[Value] = []
        while self._step(values):
            pass
        return values

    def _step(self, values: list[Value]) -> bool:
        """Use some of the buffer; False if more bytes are needed."""
        if self._text_length is not None:
            return self._text(self._text_length, values)
        end = self._buffer.find(b"\r\n", 0, LINE_BYTES_MAX)
        if end == -1:
            if len(self._buffer) >= LINE_BYTES_MAX:
                raise NotAPush(f"a line of over {LINE_BYTES_MAX} bytes")
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        self._line(line, values)
        return True

    def _text(self, length: int, values: list[Value]) -> bool:
        if length > self._text_bytes_max:
            dropped = min(self._drop_bytes, len(self._buffer))
            del self._buffer[:dropped]
            self._drop_bytes -= dropped
            if self._drop_bytes:
                return False
            self._text_length = None
            self._add(TooLong(length), values)
            return True
        if len(self._buffer) < length + 2:
            return False
        text = bytes(self._buffer[:length])
        del self._buffer[: length + 2]
        self._text_length = None
        self._add(text, values)
        return True

    def _line(self, line: bytes, values: list[Value]) -> None:
        kind, rest = line[:1], line[1:]
        match kind:
            case b"+":
                self._add(rest, values)
            case b"-":
                self._add(Refusal(rest.decode("utf-8", "replace")), values)
            case b":":
                self._add(_integer(rest), values)
            case b"$":
                self._begin_text(_integer(rest), values)
            case b"*" | b">":
                self._begin_items(_integer(rest), is_push=kind == b">", values=values)
            case b"_":
                self._add(None, values)
            case _:
                raise NotAPush(f"a line that begins with {kind!r}")

    def _begin_text(self, length: int, values: list[Value]) -> None:
        if length < 0:
            self._add(None, values)
        else:
            self._text_length = length
            self._drop_bytes = length + 2

    def _begin_items(self, count: int, *, is_push: bool, values: list[Value]) -> None:
        if count > ITEMS_MAX or len(self._open) == DEPTH_MAX:
            raise NotAPush(f"an array of {count} items in {len(self._open)} others")
        if count > 0:
            self._open.append(_Open(is_push, count, []))
        else:
            self._add(None if count < 0 else Push(()) if is_push else [], values)

    def _add(self, value: Value, values: list[Value]) -> None:
        while self._open:
            array = self._open[-1]
            array.items.append(value)
            array.missing -= 1
            if array.missing:
                return
            self._open.pop()
            value = Push(tuple(array.items)) if array.is_push else array.items
        values.append(value)


def _integer(digits: bytes) -> int:
    if not digits.lstrip(b"-").isdigit() or len(digits) > LENGTH_DIGITS_MAX:
        raise NotAPush(f"{digits[:20]!r} as a number")
    return int(digits)
