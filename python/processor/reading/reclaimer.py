"""Claims what dead or stuck instances have left behind, at start-up and ever after."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import trio

from processor.edges.retrying_stream import RetryingStream
from processor.journal.journal import Journal
from processor.reading.pending_pass import PendingPass
from telemetry.chassis.backoff import Backoff, Retries
from telemetry.chassis.errors import RedisError


class Reclaimer:
    """The one task that claims.

    Owns the passes, no lock and no state that would have to survive it. Stops when it is cancelled;
    what it has claimed by then and not handed over is pending under our own name. Raises nothing of
    RetryingStream' own: a pass that lost its connection begins again on the next one, at once for the first
    time; one that Redis refuses, after the next pause.
    """

    def __init__(
        self,
        redis: RetryingStream,
        redelivering: PendingPass,
        *,
        interval_ms: int,
        journal: Journal,
        backoff: Backoff,
    ) -> None:
        self._redis = redis
        self._redelivering = redelivering
        self._interval_ms = interval_ms
        self._journal = journal
        # A proxy may have closed an idle connection: the first one that is lost costs no pause. No pause is
        # longer than the one between two passes.
        backoff = replace(backoff, max_ms=min(backoff.max_ms, interval_ms))
        self._retries = Retries(backoff, first_at_once=True)

    async def run(self) -> None:
        """Claim until cancelled, or until the stages are gone."""
        try:
            await self._claim_for_ever()
        except trio.BrokenResourceError:
            self._journal.reader_stopped(task="reclaimer")

    async def _claim_for_ever(self) -> NoReturn:
        # Our own come first, and their suspects are tried in the first pass.
        await self._redelivering.own_taken.wait()
        while True:
            try:
                await self._redelivering.claim()
                await self._redelivering.sweep()
            except RedisError as error:
                await self._recover(error)
            else:
                self._retries.reset()
                await trio.sleep(self._interval_ms / 1000)

    async def _recover(self, error: RedisError) -> None:
        def report(retry_ms: int) -> None:
            self._journal.claim_failed(error=str(error), retry_ms=retry_ms)

        fixed_ms = None if error.wants_new_connection else self._interval_ms
        await self._retries.pause(report, fixed_ms=fixed_ms)
        if error.wants_new_connection:
            await self._redis.connect()
