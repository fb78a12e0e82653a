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
        # In their order, each once: our own may be claimed, too.
        self._suspects: dict[str, None] = {}
        # Two passes at once would take the same entries.
        self._passing = trio.Lock()
        self.own_taken = trio.Event()

    async def take_own(self) -> None:
        """Take what is pending under our own name, but what was refused not long ago.

        Suspects are left to the next pass of `claim`: what is new does not wait for their trials.
        """
        async with self._passing:
            after_id = FIRST_ID
            while entries := await self._stream.list_pending(after_id, self._options.count):
                await self._take(entries, rest_ms=self._options.idle_ms)
                after_id = entries[-1].entry_id
        self.own_taken.set()

    async def claim(self) -> None:
        """Claim what has been idle for too long: one whole pass over the group's pending entries.

        At its end suspects are tried, our own among them.
        """
        async with self._passing:
            cursor: str | None = None
            while cursor != FIRST_ID:
                claim = await self._stream.claim(
                    cursor or FIRST_ID, self._options.count, idle_ms=self._options.idle_ms
                )
                self._recorder.entries_claimed(len(claim.entries))
                self._intake.write_off(claim.lost_ids)
                await self._take(claim.entries, rest_ms=0)
                cursor = claim.cursor
        suspects, self._suspects = [*self._suspects], {}
        await self._trials.run(suspects)

    async def sweep(self) -> None:
        """Forget failures of what is settled; what we refused and others have settled is theirs."""
        refused = self._in_hand.refused
        swept = await self._stream.sweep_attempts()
        for entry_id in set(refused) - swept.remembered:
            self._in_hand.gone(entry_id)

    async def _take(self, entries: Sequence[PendingEntry], *, rest_ms: int) -> None:
        """Deliver a page of entries once more, but for the suspects among them."""
        absent = set(self._in_hand.absent([entry.entry_id for entry in entries]))
        plan = plan_redelivery(
            (entry for entry in entries if entry.entry_id in absent),
            now_ms=wall_clock.unix_ms(),
            rest_ms=rest_ms,
        )
        self._suspects |= dict.fromkeys(plan.suspects)
        if plan.take:
            redelivered = await self._stream.redeliver(plan.take)
            self._intake.write_off(redelivered.lost_ids)
            await self._intake.admit(
                redelivered.delivery, redelivered=True, attempted=plan.attempted
            )
