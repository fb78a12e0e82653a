"""The last step of a life: what is undecided is free for others at once, what is committed is acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from processor.core.attempts import PendingEntry
from processor.edges.ports import STREAM_START, PositionStream
from processor.settling.acker import acknowledge
from processor.settling.in_flight import InFlight
from telemetry.chassis.errors import RedisError

# Entries that one exchange releases, acknowledges or looks at: what is cut off is one of them, not everything.
PIECE_ENTRIES = 1_000
# A connection may be lost with what the stages were cut in; there is not much time to be patient.
RETRY_S = 0.05

# On a machine whose processors are shared by six or seven, a thousand entries take 25 ms to release, with what Redis
# does for it; on an idle one 6. The stages end earlier by that much.
RESERVE_PER_PIECE_MS = 25
# The most of the budget that is kept: deciding comes first.
RESERVE_SHARE_MAX = 0.25


def reserve_ms(entries: int, *, budget_ms: int) -> float:
    """How much of the budget is kept for releasing `entries` entries; nothing for less than a piece."""
    return min(entries // PIECE_ENTRIES * RESERVE_PER_PIECE_MS, budget_ms * RESERVE_SHARE_MAX)


@dataclass(slots=True)
class Release:
    """Settles with Redis what the stages could not. Cancelled or failing, it leaves the rest pending.

    Each step may be taken again. What is nearest to hand comes first: an entry that we know to be
    undecided costs its next reader a whole claim threshold if it is not released.
    """

    stream: PositionStream
    in_flight: InFlight
    _released: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Release, acknowledge, and leave the group if nothing is left. Raises RedisError.

        As long as there is something in flight it is tried again: on new connections, and with a server
        that may be another one meanwhile.
        """
        while True:
            try:
                await self._hand_over()
            except RedisError:
                if not len(self.in_flight):
                    raise
                await trio.sleep(RETRY_S)
            else:
                return

    async def _hand_over(self) -> None:
        # The end of the stages may have cut an exchange, and the connection with it.
        await self.stream.connect()
        for entry_id in self.in_flight.on_trial:
            await self.stream.end_trial(entry_id)
        await self._release(self.in_flight.uncommitted)
        await self._acknowledge()
        await self._release_strays()
        await self.stream.leave_group()

    async def _acknowledge(self) -> None:
        for batch in self.in_flight.unacknowledged:
            await acknowledge(self.stream, batch, self.in_flight)

    async def _release_strays(self) -> None:
        """Look through the own pending list: entries may have been delivered that never came into our hands.

        What we had and is not in it was taken over.
        """
        pending, after_id = set[str](), STREAM_START
        while page := await self.stream.list_pending(after_id, PIECE_ENTRIES):
            pending.update(entry.entry_id for entry in page)
            await self._release(self._strays(page))
            after_id = page[-1].entry_id
        self.in_flight.still_ours(pending)

    def _strays(self, page: Sequence[PendingEntry]) -> list[str]:
        """What was neither released already nor refused, in this life or before."""
        return [
            entry.entry_id
            for entry in page
            if entry.attempts is None and entry.entry_id not in self._released
        ]

    async def _release(self, entry_ids: Sequence[str]) -> None:
        for start in range(0, len(entry_ids), PIECE_ENTRIES):
            released = await self.stream.release(entry_ids[start : start + PIECE_ENTRIES])
            self.in_flight.released(released)
            self._released.update(released)
