"""Delivers pending entries again: our own from a former life, and those that others left idle."""

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
from telemetry.chassis import clocks, progress
from telemetry.chassis.errors import RedisUnavailable
from telemetry.chassis.lock import Lock

# Entries in one command at most, which has 22 kB then.
PAGE_ENTRIES_MAX = 1_000
# After this number of lost replies with a single own entry, new entries are read first: the reply may exceed Redis'
# output buffer limit for a client, and no smaller portion is left to try.
LOST_SINGLY_MAX = 3


@dataclass(frozen=True, slots=True)
class ClaimOptions:
    """How many entries one step asks for, and how long an entry must be idle to be claimed."""

    count: int
    idle_ms: int


class PendingPass:
    """Passes over pending entries.

    A pass lists entries without their contents, and sorts them: those in flight are skipped, suspected poison
    entries are tried in isolation at the end of the pass, and all others are admitted like new ones. Raises
    RedisError: the next pass begins with what this one has claimed already. If a reply is lost, half as many
    entries are asked for next.
    """

    def __init__(
        self,
        stream: PositionStream,
        intake: Intake,
        suspect_trials: SuspectTrials,
        options: ClaimOptions,
        *,
        in_flight: InFlight,
        journal: Journal,
    ) -> None:
        self._stream = stream
        self._intake = intake
        self._suspect_trials = suspect_trials
        self._options = options
        self._in_flight = in_flight
        self._journal = journal
        self._page = Portion(min(options.count, PAGE_ENTRIES_MAX))
        # Claimed and not delivered yet. They are not idle any more, so that no other pass would find them soon.
        self._claimed: dict[str, PendingEntry] = {}
        # How many deliveries of an entry were lost on the way to us, until one arrives.
        self._lost_deliveries: Counter[str] = Counter()
        # How many of them had no other entry in the reply.
        self._lost_singly: Counter[str] = Counter()
        # In their order, each once: our own entries may be claimed, too.
        self._suspects: dict[str, None] = {}
        # Two passes at once would take the same entries.
        self._passing = Lock()
        self.own_taken = trio.Event()

    async def take_own(self) -> None:
        """Take what is pending under our own name, except for entries that were refused not long ago.

        Suspects are left to the next pass of `claim`, so that new entries do not wait for their trials. An
        entry whose reply was lost too often is left until it is claimed.
        """
        async with self._passing:
            after_id = STREAM_START
            while entries := await self._stream.list_pending(after_id, self._options.count):
                taken = [each for each in entries if not self._is_postponed(each.entry_id)]
                await self._take(taken, rest_ms=self._options.idle_ms)
                after_id = entries[-1].entry_id
        self.own_taken.set()

    async def claim(self) -> None:
        """Claim entries that have been idle for too long, in one whole pass over the group's pending entries.

        Tries the suspects at its end, our own among them.
        """
        async with self._passing:
            await self._take_claimed()
            cursor: str | None = None
            while cursor != STREAM_START:
                claim = await self._stream.claim(
                    cursor or STREAM_START, self._options.count, idle_ms=self._options.idle_ms
                )
                # Our own, too, if a renewal came late: those were not left by anybody.
                claimed = [entry.entry_id for entry in claim.entries]
                self._journal.entries_claimed(len(self._in_flight.absent(claimed)))
                self._intake.write_off(claim.lost_ids)
                self._claimed.update((entry.entry_id, entry) for entry in claim.entries)
                await self._take_claimed()
                cursor = claim.cursor
        await self._suspect_trials.run(self._suspects_in_turn())

    async def sweep(self) -> None:
        """Forget the failures of settled entries. Those that we refused and others settled are taken over."""
        refused = self._in_flight.refused
        swept = await self._stream.sweep_attempts()
        for entry_id in set(refused) - swept.pending:
            self._in_flight.taken_over(entry_id)

    def _suspects_in_turn(self) -> Iterator[str]:
        """Each suspect once. Those left by an error or a silent PostgreSQL are tried in the next pass."""
        while self._suspects:
            entry_id = next(iter(self._suspects))
            del self._suspects[entry_id]
            # While its last trial is still recorded, it would look as if the process had died in it.
            if entry_id not in self._in_flight.on_trial:
                yield entry_id

    async def _take_claimed(self) -> None:
        await self._take([*self._claimed.values()], rest_ms=0)
        self._claimed.clear()

    async def _take(self, entries: Sequence[PendingEntry], *, rest_ms: int) -> None:
        """Deliver entries again, page by page, except for the suspects among them."""
        absent = set(self._in_flight.absent([entry.entry_id for entry in entries]))
        triaged = triage(
            (entry for entry in entries if entry.entry_id in absent),
            now_ms=clocks.unix_ms(),
            rest_ms=rest_ms,
            lost_deliveries=self._lost_deliveries,
        )
        self._suspects |= dict.fromkeys(triaged.suspects)
        take = [*triaged.take]
        while take:
            progress.step()
            page = take[: self._page.size]
            redelivered = await self._redeliver(page)
            self._intake.write_off(redelivered.lost_ids)
            await self._intake.admit(
                redelivered.delivery, redelivered=True, attempted=triaged.attempted
            )
            del take[: len(page)]

    def _is_postponed(self, entry_id: str) -> bool:
        """Whether an own entry is left until it is idle and claimed, which delays no others."""
        return self._lost_singly[entry_id] >= LOST_SINGLY_MAX

    async def _redeliver(self, page: Sequence[str]) -> Redelivered:
        asked_for = self._page.size
        try:
            redelivered = await self._stream.redeliver(page)
        except RedisUnavailable:
            self._page.too_much()
            self._lost_deliveries.update(page)
            if len(page) == 1:
                # It delays no others: it is claimed again once it is idle.
                self._lost_singly[page[0]] += 1
                self._claimed.pop(page[0], None)
            raise
        if len(page) == asked_for:
            self._page.went_well()
        for entry_id in self._lost_deliveries.keys() & page:
            del self._lost_deliveries[entry_id]
            del self._lost_singly[entry_id]
        return redelivered
