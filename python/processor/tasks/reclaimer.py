"""Claims what dead or stuck instances have left behind, at start-up and ever after."""

from __future__ import annotations

from typing import NoReturn

import trio

from processor import events
from processor.errors import RedisError, RedisUnavailable
from processor.tasks.redelivering import Redelivering
from processor.tasks.retrying import Redis


class Reclaimer:
    """The one task that claims.

    Owns the passes, no lock and no state that would have to survive it. Stops when it is cancelled;
    what it has claimed by then and not handed over is pending under our own name. Raises nothing of
    Redis' own: a pass that fails is begun anew after the next pause.
    """

    def __init__(self, redis: Redis, redelivering: Redelivering, *, interval_ms: int) -> None:
        self._redis = redis
        self._redelivering = redelivering
        self._interval_ms = interval_ms

    async def run(self) -> None:
        """Claim until cancelled, or until the stages are gone."""
        try:
            await self._claim_for_ever()
        except trio.BrokenResourceError:
            self._redis.log.debug("reclaimer stopped: the writers are gone")

    async def _claim_for_ever(self) -> NoReturn:
        # Our own come first, and their suspects are tried in the first pass.
        await self._redelivering.own_taken.wait()
        while True:
            try:
                await self._redelivering.claim()
                await self._redelivering.sweep()
            except RedisError as error:
                events.claim_failed(self._redis.log, error=str(error), retry_ms=self._interval_ms)
                if isinstance(error, RedisUnavailable):
                    await self._redis.connect()
            await trio.sleep(self._interval_ms / 1000)
