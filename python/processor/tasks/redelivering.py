"""Takes pending entries into our hands: our own of a former life, and those that others have left idle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import trio

from processor import wall_clock
from processor.core.attempts import PendingEntry
from processor.core.redelivery import plan_redelivery
from processor.edges.ports import FIRST_ID, PositionStream
from processor.statistics import Recorder
from processor.tasks.in_hand import InHand
from processor.tasks.intake import Intake
from processor.tasks.trials import Trials


@dataclass(frozen=True, slots=True)
class ClaimOptions:
    """How much one step asks for, and after how much idle time an entry may be claimed."""

    count: int
    idle_ms: int


class Redelivering:
    """Passes over pending entries.

    They come without their contents first, and are sorted out: what is in hand is passed over, what
    may kill its consumer is tried alone at the end of the pass, everything else goes the way of new
    entries. Raises RedisError: the pass begins anew then.
    """

    def __init__(
        self,
        stream: PositionStream,
        intake: Intake,
        trials: Trials,
        options: ClaimOptions,
        *,
        in_hand: InHand,
        recorder: Recorder,
    ) -> None:
        self._stream = stream
        self._intake = intake
        self._trials = trials
        self._options = options
        self._in_hand = in_hand
        self._recorder = recorder
        # Two passes at once would take the same entries.
        self._passing = trio.Lock()

    async def take_own(self) -> None:
        """Take what is pending under our own name, but what was refused not long ago."""
        suspects: list[str] = []
        async with self._passing:
            after_id = FIRST_ID
            while entries := await self._stream.list_pending(after_id, self._options.count):
                suspects += await self._take(entries, rest_ms=self._options.idle_ms)
                after_id = entries[-1].entry_id
            await self._trials.run(suspects)

    async def claim(self) -> None:
        """Claim what has been idle for too long: one whole pass over the group's pending entries."""
        suspects: list[str] = []
        async with self._passing:
            cursor: str | None = None
            while cursor != FIRST_ID:
                claim = await self._stream.claim(
                    cursor or FIRST_ID, self._options.count, idle_ms=self._options.idle_ms
                )
                self._recorder.entries_claimed(len(claim.entries))
                self._intake.write_off(claim.lost_ids)
                suspects += await self._take(claim.entries, rest_ms=0)
                cursor = claim.cursor
            await self._trials.run(suspects)

    async def _take(self, entries: Sequence[PendingEntry], *, rest_ms: int) -> Sequence[str]:
        """Deliver a page of entries once more; the suspects among them are returned instead."""
        absent = set(self._in_hand.absent([entry.entry_id for entry in entries]))
        plan = plan_redelivery(
            (entry for entry in entries if entry.entry_id in absent),
            now_ms=wall_clock.unix_ms(),
            rest_ms=rest_ms,
        )
        if plan.take:
            redelivered = await self._stream.redeliver(plan.take)
            self._intake.write_off(redelivered.lost_ids)
            await self._intake.admit(
                redelivered.delivery, redelivered=True, attempted=plan.attempted
            )
        return plan.suspects
