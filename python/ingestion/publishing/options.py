"""How frames are published."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from telemetry.chassis.redis.limits import RedisLimits

if TYPE_CHECKING:
    from telemetry.chassis.backoff import Backoff
    from telemetry.chassis.redis.cluster.homes import Homes


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """The way to the server, the streams, and the bounds of what waits."""

    homes: Homes
    streams: tuple[str, ...]
    """In the order of `AcceptedFrame.stream`."""
    quarantine_streams: tuple[str, ...] = ()
    """In the same order: entries for them take the same way, and in a cluster have to lead to the same node."""
    instance_id: str
    records_max: int
    """Accepted and unanswered by Redis, over all streams."""
    bytes_max: int
    """Of their commands on the wire."""
    backoff: Backoff
    """Between tries to connect again, for ever."""
    # With the time until somebody looks, less than the 5 s after which `/readyz` has to say so.
    limits: RedisLimits = field(default_factory=lambda: RedisLimits(silence_ms=4_500))

    def keys(self, number: int) -> tuple[str, ...]:
        """What is written to on a stream's connection."""
        return (self.streams[number], *self.quarantine_streams[number : number + 1])

    def client_name(self, number: int) -> str:
        """The name of a stream's connection, in CLIENT LIST."""
        client = self.homes.target.client_name or f"tcp-ingestion/{self.instance_id}"
        return f"{client}:publisher" if len(self.streams) == 1 else f"{client}:publisher-{number}"
