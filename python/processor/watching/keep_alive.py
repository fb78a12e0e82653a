"""Uses idle connections to Redis from time to time, so that no proxy on the way closes them."""

from __future__ import annotations

from contextlib import suppress
from typing import NoReturn

import trio

from processor.edges.ports import PositionStream
from telemetry.chassis import progress
from telemetry.chassis.errors import RedisError

# Proxies that close a connection after ten idle seconds are common. Claims come every 15 s, and the reader waits while
# the writers are busy.
INTERVAL_S = 3.0


async def keep_connections_alive(stream: PositionStream) -> NoReturn:
    """Every few seconds, use each connection that has been idle.

    Owns nothing. Stops only when cancelled. Cancelled, it loses nothing. Raises nothing: a connection that was
    closed is made again before a task needs it, and the tasks that need Redis notice when it is away.
    """
    while True:
        await trio.sleep(INTERVAL_S)
        with progress.working(), suppress(RedisError):
            await stream.keep_alive()
