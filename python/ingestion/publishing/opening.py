"""Opens a publisher's connection, and asks Redis on it whether it would take an entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion.publishing.probe import probe_commands, refusal_in
from telemetry._codec import ReplyError, ReplyParser
from telemetry.chassis.errors import RedisRefused, RedisUnavailable

if TYPE_CHECKING:
    from ingestion.publishing.options import PublishOptions
    from telemetry._codec import Reply
    from telemetry.chassis.redis.connection import RedisConnection
    from telemetry.chassis.redis.duplex import DuplexConnection


async def open_publishing(
    options: PublishOptions, number: int
) -> tuple[DuplexConnection, RedisRefused | None]:
    """A connection for one of the streams, and why Redis would refuse an entry. Raises like `Homes.open`."""
    connection = await options.homes.open(
        ReplyParser,
        name=options.client_name(number),
        limits=options.limits,
        keys=options.keys(number),
    )
    try:
        refusal = await _refusal(connection, options.streams[number])
    except BaseException:
        connection.close()
        raise
    return connection.detached(), refusal


async def _refusal(connection: RedisConnection, stream: str) -> RedisRefused | None:
    commands = probe_commands(stream)
    replies = await connection.pipeline(commands)
    if len(replies) < len(commands):
        raise RedisUnavailable("the connection was lost", where=connection.where)
    refusal = refusal_in(*map(_error_of, replies))
    return None if refusal is None else connection.refused(refusal)


def _error_of(reply: Reply) -> str | None:
    return reply.message if isinstance(reply, ReplyError) else None
