"""The keys and names that the service uses in Redis, and the commands that it must be allowed there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class StreamNames:
    """The stream, who reads it, and where dead letters go."""

    stream: str
    group: str
    consumer: str
    dead_letters: str
    """The stream of dead letters."""

    @property
    def attempts(self) -> str:
        """The attempts hash: entry id to JSON, shared by all consumers of the group."""
        return f"{self.stream}:{self.group}:attempts"


RIGHTS: Final = (
    # To connect, and to stay connected; CLIENT UNBLOCK wakes the blocked read at a stop.
    "auth", "hello", "select", "client|setname", "client|id", "client|unblock", "ping",
    # The group, its entries and its lag; the stream's last generated id.
    "exists", "xgroup|create", "xinfo|groups", "xinfo|stream", "xreadgroup", "xack",
    # To judge positions that are outside of the window around their entry's id, and for ages on Redis' clock.
    "time",
    # Pending entries, of this consumer and of others.
    "xpending", "xclaim", "xautoclaim", "xgroup|delconsumer", "eval",
    # The attempts hash and dead letters.
    "xrange", "xadd", "hget", "hmget", "hset", "hdel", "hscan",
    # Operators' requests and the answers, on the control channel and its reply channels.
    "subscribe", "publish",
)  # fmt: skip
"""The commands that an ACL user needs, on the stream, the dead-letter stream and the attempts hash."""
