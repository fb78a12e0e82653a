"""The way of the operators' commands to Redis: a client, the names there, and scripts that look and act in one step."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from processor.config.settings import RedisSettings
from processor.edges.redis.names import StreamNames
from processor.journal import SERVICE
from telemetry.chassis.config.variables import load
from telemetry.chassis.operating.access import LIMITS, Access, open_operator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from processor.edges.redis.scripts import Script
    from telemetry.chassis.redis.limits import RedisLimits
    from telemetry.chassis.redis.resp import Argument


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamAccess(Access):
    """Redis as a command sees it."""

    names: StreamNames
    """The stream, the group, the dead letters; the consumer is of the environment's own instance."""
    claim_threshold_ms: int
    """Of this command's own environment: instances may have another."""

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
    with open_operator(settings.redis_url, service=SERVICE, limits=limits) as client:
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
