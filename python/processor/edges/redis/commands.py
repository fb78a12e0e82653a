"""Redis commands as wire bytes: arrays of bulk strings (Redis documentation, "Redis serialization protocol")."""

from __future__ import annotations

Argument = str | bytes | int


def encode(*arguments: Argument) -> bytes:
    """One command, ready for the wire."""
    pieces = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        value = argument if isinstance(argument, bytes) else str(argument).encode()
        pieces.append(b"$%d\r\n%b\r\n" % (len(value), value))
    return b"".join(pieces)
