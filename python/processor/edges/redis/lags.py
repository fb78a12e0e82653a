"""The lag of the service's group: a count, in steps, where Redis' own number is not to be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from processor.core.lag import (
    LAG_MAX,
    STEP_ENTRIES,
    GroupPosition,
    LagCount,
    LagMemory,
    known_lag,
)
from processor.edges.redis.looks import as_step
from processor.edges.redis.scripts import COUNT_ENTRIES

if TYPE_CHECKING:
    from processor.edges.redis.names import StreamNames
    from telemetry.chassis.redis.connection import RedisConnection


class Lags:
    """The lag of the service's group, for its metrics."""

    def __init__(self, names: StreamNames) -> None:
        self._names = names
        self._memory = LagMemory()

    async def lag(self, connection: RedisConnection, at: GroupPosition) -> int:
        """The number for the metric, as the port has it. Raises RedisError."""
        lag = known_lag(at)
        if lag is not None:
            return lag
        began_s = trio.current_time()
        is_early, lag = self._memory.lag_meanwhile(at, began_s)
        if not is_early:
            lag = await self._count(connection, at)
            self._memory.counted(at, lag, began_s=began_s, ended_s=trio.current_time())
        return max(LAG_MAX + 1, at.redis_lag or 0) if lag is None else lag

    async def _count(self, connection: RedisConnection, at: GroupPosition) -> int | None:
        count = LagCount(at.delivered_id)
        while not count.is_done:
            wire = COUNT_ENTRIES.call((self._names.stream,), count.after_id, STEP_ENTRIES)
            count.take(*as_step(await connection.request(wire)))
        return count.lag
