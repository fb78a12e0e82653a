"""Keeps connections to Redis in use that would be idle for long, so that nobody on the way closes them."""

from __future__ import annotations

from contextlib import suppress
from typing import NoReturn

import trio

from processor.edges.ports import PositionStream
from telemetry.chassis.errors import RedisError

# Claims come every 15 s, and a reader stands still while the writers are busy: proxies that close what is
# idle for ten seconds are common.
INTERVAL_S = 3.0


async def keep_connections_alive(stream: PositionStream) -> NoReturn:
    """Look every few seconds, until cancelled.

    Owns nothing, loses nothing, raises nothing: a connection that turned out to be closed is made
    again before anybody needs it, and a Redis that is away is noticed by those who do.
    """
    while True:
        await trio.sleep(INTERVAL_S)
        with suppress(RedisError):
            await stream.keep_alive()
