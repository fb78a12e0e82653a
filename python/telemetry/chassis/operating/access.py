"""The way of the operators' commands to Redis: a client, and the channel of the running instances."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from telemetry.chassis.redis.client import errors_translated, open_target
from telemetry.chassis.redis.limits import RedisLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.chassis.config.redis_target import RedisTarget
    from telemetry.chassis.redis.client import Client

# A person waits. No script of ours keeps Redis for a second.
LIMITS: Final = RedisLimits(connect_timeout_ms=3_000, answer_timeout_ms=10_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """Redis as a command sees it."""

    client: Client
    """Blocking, and its replies are bytes. It connects when it is first used, and sends nothing twice."""
    control_channel: str
    """The Pub/Sub channel of requests to running instances."""
    where: str
    """Host and port, or the path of a socket, for messages."""


@contextmanager
def open_operator(
    target: RedisTarget, *, service: str, limits: RedisLimits = LIMITS
) -> Iterator[Client]:
    """A client for the block; nothing is sent yet. In there, its errors become RedisUnavailable and RedisRefused."""
    client = open_target(target, name=f"{service}/operator", limits=limits)
    try:
        with errors_translated(client):
            yield client
    finally:
        client.close()
