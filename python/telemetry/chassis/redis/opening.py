"""Opens a connection to what the URL names: a server, or the master that sentinels lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.chassis.redis.sentinels import find_master
from telemetry.chassis.redis.server import open_server

if TYPE_CHECKING:
    from telemetry._codec import ReplyParser
    from telemetry.chassis.config.redis_target import RedisTarget
    from telemetry.chassis.redis.connection import RedisConnection
    from telemetry.chassis.redis.limits import RedisLimits


async def open_connection(
    target: RedisTarget, parser: ReplyParser, *, name: str, limits: RedisLimits
) -> RedisConnection:
    """Connect and introduce ourselves as `name`; with sentinels to whichever server is the master by now.

    Raises RedisUnavailable if nobody answers, or no sentinel knows a master; RedisRefused if the credentials or the
    database are not accepted.
    """
    if target.sentinels is not None:
        target = await find_master(target)
    return await open_server(target, parser, name=name, limits=limits)
