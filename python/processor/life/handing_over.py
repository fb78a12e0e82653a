"""The last step of a life: what is committed is acknowledged, what is undecided is free for others at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from processor.core.attempts import PendingEntry
from processor.edges.ports import FIRST_ID, PositionStream
from processor.tasks.acker import acknowledge
from processor.tasks.in_hand import InHand

# Own pending entries that one look takes, and one script releases.
PAGE_ENTRIES = 1_000


@dataclass(slots=True)
class HandOver:
    """Settles with Redis what the stages could not. Cancelled or failing, it leaves the rest pending."""

    stream: PositionStream
    in_hand: InHand
    undecided: int = 0
    """Entries read of which nobody knows yet what becomes of them."""
    _released: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Acknowledge, release, and leave the group if nothing is left. Raises RedisError.

        What is in hand is released first: to look through the pending list may take longer than
        there is time. It is looked through all the same, since entries may have been delivered that
        never came into our hands.
        """
        self.undecided = self.in_hand.undecided
        # The end of the stages may have cut an exchange, and the connection with it.
        await self.stream.connect()
        await self._acknowledge()
        self.undecided = self.in_hand.undecided
        for entry_id in self.in_hand.on_trial:
            await self.stream.end_trial(entry_id)
        await self._release(self.in_hand.held_for(0))
        await self._release(self._strays(await self._own_pending()))
        await self.stream.leave_group()

    async def _acknowledge(self) -> None:
        for batch in self.in_hand.unacknowledged:
            await acknowledge(self.stream, batch, self.in_hand)

    async def _own_pending(self) -> list[PendingEntry]:
        pending: list[PendingEntry] = []
        after_id = FIRST_ID
        while page := await self.stream.list_pending(after_id, PAGE_ENTRIES):
            pending += page
            after_id = page[-1].entry_id
        return pending

    def _strays(self, pending: Sequence[PendingEntry]) -> list[str]:
        """Of the own pending list, what was neither released already nor refused, in this life or before."""
        self.in_hand.still_ours([entry.entry_id for entry in pending])
        return [
            entry.entry_id
            for entry in pending
            if entry.attempts is None and entry.entry_id not in self._released
        ]

    async def _release(self, entry_ids: Sequence[str]) -> None:
        for start in range(0, len(entry_ids), PAGE_ENTRIES):
            released = await self.stream.release(entry_ids[start : start + PAGE_ENTRIES])
            self.in_hand.released(released)
            self._released.update(released)
