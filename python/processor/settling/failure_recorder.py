"""Records failures of records where restarts and other instances see them, and says what became of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import trio

from processor.core.attempts import Failure, Fate, Recorded
from processor.edges.retrying_stream import RetryingStream
from processor.journal.journal import Journal
from processor.settling.in_flight import InFlight
from telemetry.chassis.errors import RedisRefused

WHAT = "recording a failure"


@dataclass(frozen=True, slots=True)
class SurvivedTrial:
    """A suspect's trial ended for no fault of the suspect: its record is taken back."""

    entry_id: str


Verdicts: TypeAlias = "list[Failure] | SurvivedTrial"


class FailureRecorder:
    """The one task that records failures, so that neither reading nor writing waits for it.

    Owns its end of the failures. Stops when everybody who may send has closed theirs. Cancelled, it
    leaves the rest pending without a record: whoever claims them tries them again. Raises nothing
    of Redis' own: what has no answer is repeated, and counts once.
    """

    def __init__(
        self,
        redis: RetryingStream,
        failures: trio.MemoryReceiveChannel[Verdicts],
        *,
        attempts_max: int,
        in_flight: InFlight,
        journal: Journal,
    ) -> None:
        self._redis = redis
        self._failures = failures
        self._attempts_max = attempts_max
        self._in_flight = in_flight
        self._journal = journal

    async def run(self) -> None:
        """Record until the failures end."""
        with self._failures:
            async for failures in self._failures:
                if isinstance(failures, SurvivedTrial):
                    await self._take_back(failures.entry_id)
                else:
                    await self._record(failures)

    async def _record(self, failures: list[Failure]) -> None:
        async def record() -> list[Recorded]:
            stream, attempts_max = self._redis.stream, self._attempts_max
            return await stream.record_failures(failures, attempts_max=attempts_max)

        try:
            answers = await self._redis.until_answered(record, what=WHAT, refusable=True)
        except RedisRefused as error:
            # A dead-letter stream that takes nothing must not hold up what is sound.
            self._journal.failures_not_recorded(n=len(failures), error=str(error))
            answers = [Recorded(Fate.LEFT_PENDING)] * len(failures)
        for failure, recorded in zip(failures, answers, strict=True):
            if recorded.failures == 1:
                self._journal.record_refused(failure)
            settle(failure, recorded, self._in_flight, self._journal)

    async def _take_back(self, entry_id: str) -> None:
        async def take_back() -> None:
            await self._redis.stream.end_trial(entry_id)

        await self._redis.until_answered(take_back, what=WHAT)
        self._in_flight.left(entry_id, recorded=False)


def settle(failure: Failure, recorded: Recorded, in_flight: InFlight, journal: Journal) -> None:
    """Take note of what became of an entry that failed; what is final is said in the log."""
    match recorded.fate:
        case Fate.LEFT_PENDING:
            in_flight.left(failure.entry_id, recorded=recorded.failures > 0)
        case Fate.TAKEN_OVER:
            in_flight.taken_over(failure.entry_id)
        case Fate.DEAD_LETTERED:
            in_flight.dead_lettered(failure.entry_id)
            journal.dead_lettered(failure, failures=recorded.failures)
        case Fate.LOST:
            in_flight.lost_in_flight(failure.entry_id)
            journal.entries_lost([failure.entry_id])
