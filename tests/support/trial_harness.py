"""Tries suspects on a stream and a table in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from trio.testing import wait_all_tasks_blocked

from processor.settling.acker import Acker
from processor.settling.failure_recorder import FailureRecorder
from telemetry.chassis.nudge import Nudge
from tests.support.batches import position
from tests.support.redis_harness import ATTEMPTS_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.redis_harness import RedisHarness


class TrialHarness:
    """Trials of entries that this consumer has read, and the stages that take their outcomes."""

    def __init__(self, harness: RedisHarness) -> None:
        self.harness = harness

    async def suspects(self, records: int = 1, *, speed: int = 63) -> list[str]:
        """Positions that were delivered often enough to be suspects."""
        harness = self.harness
        ids = [harness.add(position(number, 0, speed=speed)) for number in range(records)]
        await harness.read()
        for entry_id in ids:
            harness.suspect(entry_id)
        return ids

    async def run(self, suspects: Sequence[str]) -> None:
        """Try them, and let the stages run dry."""
        await self.harness.suspect_trials.run(suspects)
        await self.settle()

    async def settle(self) -> None:
        """Let the stages do their work."""
        harness = self.harness
        recorder = FailureRecorder(
            harness.redis,
            harness.failures.clone(),
            attempts_max=ATTEMPTS_MAX,
            in_flight=harness.in_flight,
            journal=harness.journal,
        )
        async with trio.open_nursery() as stages:
            due, receipts = Nudge(), harness.receipts.clone()
            due.give()
            acker = Acker(harness.redis, receipts, due, in_flight=harness.in_flight)
            stages.start_soon(acker.run)
            stages.start_soon(recorder.run)
            await wait_all_tasks_blocked()
            stages.cancel_scope.cancel()
