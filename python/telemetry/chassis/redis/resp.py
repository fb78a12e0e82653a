"""RESP, the Redis serialization protocol: commands as bytes, and replies as the Python values they must be.

RESP2 and RESP3 alike. A reply of another shape raises TypeError: our scripts answer as they were written to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telemetry._codec import Reply

Argument = str | bytes | int


def encode(*arguments: Argument) -> bytes:
    """One command as an array of bulk strings, ready for the wire."""
    pieces = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        value = argument if isinstance(argument, bytes) else str(argument).encode()
        pieces.append(b"$%d\r\n%b\r\n" % (len(value), value))
    return b"".join(pieces)


def commands_in(wire: bytes) -> list[bytes]:
    """The commands that `encode` made, and that stand one behind the other."""
    commands, start, at = [], 0, 0
    while at < len(wire):
        arguments, at = _number_at(wire, at)
        for _ in range(arguments):
            length, at = _number_at(wire, at)
            at += length + 2
        commands.append(wire[start:at])
        start = at
    return commands


def _number_at(wire: bytes, at: int) -> tuple[int, int]:
    """The number behind a type byte, and where its line ends."""
    end = wire.index(b"\r\n", at)
    return int(wire[at + 1 : end]), end + 2


def as_list(reply: Reply) -> list[Reply]:
    """An array."""
    if isinstance(reply, list):
        return reply
    raise TypeError(f"an array was expected, not {type(reply).__name__}")


def as_text(reply: Reply) -> str:
    """A string."""
    if isinstance(reply, bytes):
        return reply.decode()
    raise TypeError(f"a string was expected, not {type(reply).__name__}")


def as_integer(reply: Reply) -> int:
    """An integer."""
    if isinstance(reply, int):
        return reply
    raise TypeError(f"an integer was expected, not {type(reply).__name__}")


def as_texts(reply: Reply) -> list[str]:
    """An array of strings."""
    return [as_text(item) for item in as_list(reply)]


def as_mapping(reply: Reply) -> dict[bytes, Reply]:
    """A map of RESP3, or RESP2's flat list of keys and values; empty for anything else."""
    if isinstance(reply, dict):
        return reply
    flat = reply if isinstance(reply, list) else []
    return {
        key: value
        for key, value in zip(flat[::2], flat[1::2], strict=False)
        if isinstance(key, bytes)
    }


def as_time_us(reply: Reply) -> int | None:
    """The Unix time that TIME returns, in microseconds; None for anything else."""
    match reply:
        case [bytes(seconds), bytes(micros)] if (seconds + micros).isdigit():
            return int(seconds) * 1_000_000 + int(micros)
    return None
