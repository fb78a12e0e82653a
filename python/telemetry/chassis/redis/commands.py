"""Redis commands as wire bytes: arrays of bulk strings (Redis documentation, "Redis serialization protocol")."""

from __future__ import annotations

from typing import Final

Argument = str | bytes | int

RIGHTS: Final = (
    # To connect, and to stay connected; CLIENT UNBLOCK wakes the blocked read at a stop.
    "auth", "hello", "select", "client|setname", "client|id", "client|unblock", "ping",
    # The group, its entries and how far it is behind.
    "exists", "xgroup|create", "xinfo|groups", "xreadgroup", "xack",
    # To judge positions that are outside of the window around their entry's id.
    "time",
    # Pending entries, of one's own and of others.
    "xpending", "xclaim", "xautoclaim", "xgroup|delconsumer", "eval",
    # Failures and dead letters.
    "xrange", "xadd", "hget", "hmget", "hset", "hdel", "hscan",
)  # fmt: skip
"""The commands that an ACL user needs, on the stream, the dead-letter stream and `<stream>:<group>:attempts`."""


def encode(*arguments: Argument) -> bytes:
    """One command, ready for the wire."""
    pieces = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        value = argument if isinstance(argument, bytes) else str(argument).encode()
        pieces.append(b"$%d\r\n%b\r\n" % (len(value), value))
    return b"".join(pieces)
