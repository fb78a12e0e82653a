"""Connections to Redis without a stream: to a server, to a peer that a test plays, or in memory."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio
import trio.testing

from dev.servers.ports import HOST
from telemetry._codec import ReplyParser
from telemetry.chassis.config.redis_target import redis_target
from telemetry.chassis.redis.connection import RedisConnection
from telemetry.chassis.redis.limits import RedisLimits
from telemetry.chassis.redis.opening import open_connection
from telemetry.chassis.redis.resp import Argument, encode
from tests.support.peers import answering, peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


# What a peer answers while a connection is opened: to HELLO, and to CLIENT ID.
INTRODUCTION = (b"%1\r\n+proto\r\n:3\r\n", b":7\r\n")


@asynccontextmanager
async def opened(
    url: str, *, name: str = "processor/test", limits: RedisLimits | None = None
) -> AsyncIterator[RedisConnection]:
    """A connection to the server at `url`, until the block ends."""
    limits = limits or RedisLimits()
    connection = await open_connection(redis_target(url), ReplyParser(), name=name, limits=limits)
    try:
        yield connection
    finally:
        connection.close()


def in_memory(
    stream: trio.abc.Stream, *, where: str = "memory", limits: RedisLimits | None = None
) -> RedisConnection:
    """A connection without a server, for the virtual clock; it has a socket so that it can be closed."""
    limits = limits or RedisLimits()
    return RedisConnection(stream, trio.socket.socket(), ReplyParser(), where=where, limits=limits)


@asynccontextmanager
async def introduced(
    *answers: bytes, limits: RedisLimits | None = None
) -> AsyncIterator[RedisConnection]:
    """A connection to a peer that introduces itself like Redis, and then gives these answers."""
    async with (
        peer(answering(*INTRODUCTION, *answers)) as port,
        opened(f"redis://{HOST}:{port}/0", limits=limits) as connection,
    ):
        yield connection


async def asked(connection: RedisConnection, *command: Argument) -> Any:
    """The reply to a command."""
    return await connection.request(encode(*command))
