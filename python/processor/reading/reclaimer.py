"""Claims entries that dead or stuck instances left pending, at the start and then at an interval."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import trio

from processor.edges.retrying_stream import RetryingStream
from processor.journal.journal import Journal
from processor.reading.pending_pass import PendingPass
from telemetry.chassis import progress
from telemetry.chassis.backoff import Backoff, Retries
from telemetry.chassis.errors import RedisError
from telemetry.chassis.nudge import Nudge


class Reclaimer:
    """The one task that claims.

    Owns the passes; it has no lock, and no state that a later life would need. Stops when the stages have
    ended. Cancelled, it leaves what it has claimed and not admitted pending under our own name, and the next
    life of this consumer takes it. Raises no RedisError: a pass that lost its connection begins again on a
    new one, the first time at once; a pass that Redis refuses begins again after the next interval.
    """

    def __init__(
        self,
        redis: RetryingStream,
        pending_pass: PendingPass,
        *,
        interval_ms: int,
        nudge: Nudge,
        journal: Journal,
        backoff: Backoff,
    ) -> None:
        """`nudge`: given when somebody knows that there is something to claim."""
        self._redis = redis
        self._pending_pass = pending_pass
        self._nudge = nudge
        self._interval_ms = interval_ms
        self._journal = journal
        # A proxy may have closed an idle connection: the first loss costs no pause. No pause is longer than the
        # interval between two passes.
        backoff = replace(backoff, max_ms=min(backoff.max_ms, interval_ms))
        self._retries = Retries(backoff, first_at_once=True)

    async def run(self) -> None:
        """Claim until cancelled, or until the stages have ended."""
        try:
            await self._claim_for_ever()
        except trio.BrokenResourceError:
            self._journal.reader_stopped(task="reclaimer")

    async def _claim_for_ever(self) -> NoReturn:
        # Our own pending entries come first. Suspects among them are tried in the first pass.
        await self._pending_pass.own_taken.wait()
        while True:
            with progress.working():
                is_done = await self._claim()
            if is_done:
                await self._nudge.pause(self._interval_ms / 1000)

    async def _claim(self) -> bool:
        """One pass; False if it has to begin again."""
        try:
            await self._pending_pass.claim()
            await self._pending_pass.sweep()
        except RedisError as error:
            await self._recover(error)
            return False
        self._retries.reset()
        return True

    async def _recover(self, error: RedisError) -> None:
        def report(retry_ms: int) -> None:
            self._journal.claim_failed(error=str(error), retry_ms=retry_ms)

        fixed_ms = None if error.wants_new_connection else self._interval_ms
        await self._retries.pause(report, fixed_ms=fixed_ms)
        if error.wants_new_connection:
            await self._redis.connect()
