"""Takes pending entries into our hands: our own of a former life, and those that others have left idle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import trio

from processor.core.attempts import PendingEntry
from processor.core.in_flight import InFlight
from processor.core.portion import Portion
from processor.core.triage import triage
from processor.edges.ports import STREAM_START, PositionStream, Redelivered
from processor.journal.journal import Journal
from processor.reading.intake import Intake
from processor.reading.suspects import SuspectTrials
from telemetry.chassis import clocks
from telemetry.chassis.errors import RedisUnavailable

# Delivered by one command at most, which is 22 kB then.
PAGE_ENTRIES_MAX = 1_000
# So often an own entry is asked for alone and in vain before new ones are read first: its reply may be more than
# Redis keeps for a client, which no smaller portion mends.
LOST_ALONE_MAX = 3


@dataclass(frozen=True, slots=True)
class ClaimOptions:
    """How much one step asks for, and after how much idle time an entry may be claimed."""

    count: int
    idle_ms: int


class PendingPass:
    """Passes over pending entries.

    They come without their contents first, and are sorted out: what is in flight is passed over, what
    may kill its consumer is tried alone at the end of the pass, everything else goes the way of new
    entries. Raises RedisError: the pass begins again then, and takes what it had claimed first. What
    is delivered in vain is delivered again in halves.
    """

    def __init__(
        self,
        stream: PositionStream,
        intake: Intake,
        trials: SuspectTrials,
        options: ClaimOptions,
        *,
        in_flight: InFlight,
        journal: Journal,
    ) -> None:
        self._stream = stream
        self._intake = intake
        self._trials = trials
        self._options = options
        self._in_flight = in_flight
        self._journal = journal
        self._page = Portion(min(options.count, PAGE_ENTRIES_MAX))
        # Claimed, and not delivered yet: whoever looks for idle entries would not find them for long.
        self._claimed: dict[str, PendingEntry] = {}
        # How often an entry was delivered to us in vain, until it comes.
        self._survived: Counter[str] = Counter()
        # Of those, how often with nothing else in the reply.
        self._lost_alone: Counter[str] = Counter()
        # In their order, each once: our own may be claimed, too.
        self._suspects: dict[str, None] = {}
        # Two passes at once would take the same entries.
        self._passing = trio.Lock()
        self.own_taken = trio.Event()

    async def take_own(self) -> None:
        """Take what is pending under our own name, but what was refused not long ago.

        Suspects are left to the next pass of `claim`: what is new does not wait for their trials. Nor does
        it wait for what does not come even alone.
        """
        async with self._passing:
            after_id = STREAM_START
            while entries := await self._stream.list_pending(after_id, self._options.count):
                coming = [each for each in entries if not self._is_hopeless(each.entry_id)]
                await self._take(coming, rest_ms=self._options.idle_ms)
                after_id = entries[-1].entry_id
        self.own_taken.set()

    async def claim(self) -> None:
        """Claim what has been idle for too long: one whole pass over the group's pending entries.

        At its end suspects are tried, our own among them.
        """
        async with self._passing:
            await self._take_claimed()
            cursor: str | None = None
            while cursor != STREAM_START:
                claim = await self._stream.claim(
                    cursor or STREAM_START, self._options.count, idle_ms=self._options.idle_ms
                )
                self._journal.entries_claimed(len(claim.entries))
                self._intake.write_off(claim.lost_ids)
                self._claimed.update((entry.entry_id, entry) for entry in claim.entries)
                await self._take_claimed()
                cursor = claim.cursor
        await self._trials.run(self._suspects_in_turn())

    async def sweep(self) -> None:
        """Forget failures of what is settled; what we refused and others have settled is theirs."""
        refused = self._in_flight.refused
        swept = await self._stream.sweep_attempts()
        for entry_id in set(refused) - swept.pending:
            self._in_flight.taken_over(entry_id)

    def _suspects_in_turn(self) -> Iterator[str]:
        """Each once; what a failure or a silent PostgreSQL leaves here is tried in the next pass."""
        while self._suspects:
            entry_id = next(iter(self._suspects))
            del self._suspects[entry_id]
            # One whose last trial is still recorded would look as if nobody had survived it.
            if entry_id not in self._in_flight.on_trial:
                yield entry_id

    async def _take_claimed(self) -> None:
        await self._take([*self._claimed.values()], rest_ms=0)
        self._claimed.clear()

    async def _take(self, entries: Sequence[PendingEntry], *, rest_ms: int) -> None:
        """Deliver entries once more, page by page, but for the suspects among them."""
        absent = set(self._in_flight.absent([entry.entry_id for entry in entries]))
        plan = triage(
            (entry for entry in entries if entry.entry_id in absent),
            now_ms=clocks.unix_ms(),
            rest_ms=rest_ms,
            survived=self._survived,
        )
        self._suspects |= dict.fromkeys(plan.suspects)
        take = [*plan.take]
        while take:
            page = take[: self._page.size]
            redelivered = await self._redeliver(page)
            self._intake.write_off(redelivered.lost_ids)
            await self._intake.admit(
                redelivered.delivery, redelivered=True, attempted=plan.attempted
            )
            del take[: len(page)]

    def _is_hopeless(self, entry_id: str) -> bool:
        """Whether an own entry is left until it is idle and claimed, which holds nobody up."""
        return self._lost_alone[entry_id] >= LOST_ALONE_MAX

    async def _redeliver(self, page: Sequence[str]) -> Redelivered:
        asked_for = self._page.size
        try:
            redelivered = await self._stream.redeliver(page)
        except RedisUnavailable:
            self._page.too_much()
            self._survived.update(page)
            if len(page) == 1:
                # It holds nobody up: when it is idle again it is claimed again.
                self._lost_alone[page[0]] += 1
                self._claimed.pop(page[0], None)
            raise
        if len(page) == asked_for:
            self._page.went_well()
        for entry_id in self._survived.keys() & page:
            del self._survived[entry_id]
            del self._lost_alone[entry_id]
        return redelivered
