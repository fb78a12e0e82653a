"""The way of the operators' commands to Redis: a client, the names there, and scripts that look and act in one step."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from processor.config.settings import RedisSettings
from processor.edges.redis.names import StreamNames
from telemetry.chassis.config.variables import load
from telemetry.chassis.redis.client import errors_translated, open_target
from telemetry.chassis.redis.limits import RedisLimits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from processor.edges.redis.scripts import Script
    from telemetry.chassis.redis.client import Client
    from telemetry.chassis.redis.resp import Argument

# A person waits. No script of ours keeps Redis for a second.
LIMITS: Final = RedisLimits(connect_timeout_ms=3_000, answer_timeout_ms=10_000)


@dataclass(frozen=True, slots=True)
class StreamAccess:
    """Redis as a command sees it."""

    client: Client
    """Blocking, and its replies are bytes. It connects when it is first used, and sends nothing twice."""
    names: StreamNames
    """The stream, the group, the dead letters; the consumer is of the environment's own instance."""
    control_channel: str
    """The Pub/Sub channel of requests to running instances."""
    claim_threshold_ms: int
    """Of this command's own environment: instances may have another."""
    where: str
    """Host and port, or the path of a socket, for messages."""

    def run(self, script: Script, keys: tuple[str, ...], *arguments: Argument) -> Any:  # noqa: ANN401  # any reply
        """Run a script; its reply as the client gives it, texts as bytes."""
        return self.client.eval(script.text, len(keys), *keys, *arguments)


@contextmanager
def open_stream(environ: Mapping[str, str], limits: RedisLimits = LIMITS) -> Iterator[StreamAccess]:
    """Read the environment and open a client for the block; nothing is sent yet.

    Raises ConfigError for bad variables. In the block, the client's errors become RedisUnavailable and
    RedisRefused.
    """
    settings = load(RedisSettings, environ)
    client = open_target(settings.redis_url, name="processor/operator", limits=limits)
    try:
        with errors_translated(client):
            yield StreamAccess(
                client=client,
                names=StreamNames(
                    stream=settings.redis_telemetry_stream,
                    group=settings.redis_consumer_group,
                    consumer=settings.redis_consumer_name,
                    dead_letters=settings.redis_dlq_stream,
                ),
                control_channel=settings.redis_control_channel,
                claim_threshold_ms=settings.claim_threshold_ms,
                where=settings.redis_url.where,
            )
    finally:
        client.close()
