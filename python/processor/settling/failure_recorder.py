"""Records the failures of records in Redis, where they outlive a restart and other instances see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import trio

from processor.core.attempts import Failure, Fate, Recorded
from processor.core.in_flight import InFlight
from processor.edges.retrying_stream import RetryingStream
from processor.journal.journal import Journal
from telemetry.chassis import progress
from telemetry.chassis.errors import RedisRefused

# As the log names the commands that are repeated.
RECORDING = "recording a failure"


@dataclass(frozen=True, slots=True)
class TrialWithdrawn:
    """A suspect's trial ended through no fault of the suspect: the record of the trial is to be deleted."""

    entry_id: str


FailureReport: TypeAlias = "list[Failure] | TrialWithdrawn"
"""What the recorder of failures is sent: the failures of one read, one batch or one trial, or a trial without one."""


class FailureRecorder:
    """The one task that records failures, so that neither reading nor writing waits for it.

    Owns its end of the reports. Stops when every sender has closed its own. Cancelled, it leaves the remaining
    entries pending without a record: they are tried again by whoever claims them. Never raises RedisError: an
    unanswered command is repeated, and a failure still counts once.
    """

    def __init__(
        self,
        redis: RetryingStream,
        reports: trio.MemoryReceiveChannel[FailureReport],
        *,
        attempts_max: int,
        in_flight: InFlight,
        journal: Journal,
    ) -> None:
        self._redis = redis
        self._reports = reports
        self._attempts_max = attempts_max
        self._in_flight = in_flight
        self._journal = journal

    async def run(self) -> None:
        """Record until the reports end."""
        with self._reports:
            async for report in self._reports:
                with progress.working():
                    if isinstance(report, TrialWithdrawn):
                        await self._withdraw(report.entry_id)
                    else:
                        await self._record(report)

    async def _record(self, failures: list[Failure]) -> None:
        async def record() -> list[Recorded]:
            stream, attempts_max = self._redis.stream, self._attempts_max
            return await stream.record_failures(failures, attempts_max=attempts_max)

        try:
            answers = await self._redis.until_answered(record, what=RECORDING, refusable=True)
        except RedisRefused as error:
            # A dead-letter stream that accepts nothing must not hold up sound records.
            self._journal.failures_not_recorded(n=len(failures), error=str(error))
            answers = [Recorded(Fate.LEFT_PENDING)] * len(failures)
        for failure, recorded in zip(failures, answers, strict=True):
            if recorded.failures == 1:
                self._journal.record_refused(failure)
            apply_fate(failure, recorded, self._in_flight, self._journal)

    async def _withdraw(self, entry_id: str) -> None:
        async def end_trial() -> None:
            await self._redis.stream.end_trial(entry_id)

        await self._redis.until_answered(end_trial, what=RECORDING)
        self._in_flight.left_pending(entry_id, recorded=False)


def apply_fate(failure: Failure, recorded: Recorded, in_flight: InFlight, journal: Journal) -> None:
    """Change what is in flight by what became of an entry that failed; a final fate is reported."""
    match recorded.fate:
        case Fate.LEFT_PENDING:
            in_flight.left_pending(failure.entry_id, recorded=recorded.failures > 0)
        case Fate.TAKEN_OVER:
            in_flight.taken_over(failure.entry_id)
        case Fate.DEAD_LETTERED:
            in_flight.dead_lettered(failure.entry_id)
            journal.dead_lettered(failure, failures=recorded.failures)
        case Fate.LOST:
            in_flight.lost(failure.entry_id)
            journal.entries_lost([failure.entry_id])
