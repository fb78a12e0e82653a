"""The last step of a run: release what is undecided, for others to claim at once, and acknowledge what is committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from processor.core.attempts import PendingEntry
from processor.core.in_flight import InFlight
from processor.edges.ports import STREAM_START, PositionStream
from processor.settling.acker import acknowledge
from telemetry.chassis.errors import RedisError

# Entries in one exchange with Redis. If the step is cut off, only one exchange is lost.
PIECE_ENTRIES = 1_000
# The end of the stages may have cost the connection. There is little time left, so the pause is short.
RETRY_S = 0.05

# Releasing a thousand entries takes 6 ms on an idle machine, Redis' part included, and 25 ms on one whose
# processors are shared by six or seven. The stages end earlier by that much.
RESERVE_PER_PIECE_MS = 25
# At most this share of the budget is kept: deciding comes first.
RESERVE_SHARE_MAX = 0.25


def reserve_ms(entries: int, *, budget_ms: int) -> float:
    """The part of the budget that is kept for releasing `entries` entries; 0 for fewer than a piece."""
    return min(entries // PIECE_ENTRIES * RESERVE_PER_PIECE_MS, budget_ms * RESERVE_SHARE_MAX)


@dataclass(slots=True)
class Release:
    """Settles with Redis what the stages could not. If it fails or is cancelled, the rest stays pending.

    Each step may be repeated. Entries that are known to be undecided come first: each one that is not
    released costs its next reader a whole claim threshold.
    """

    stream: PositionStream
    in_flight: InFlight
    _released: set[str] = field(default_factory=set)

    @property
    def has_released(self) -> bool:
        """Whether there is something that others may claim at once."""
        return bool(self._released)

    async def run(self) -> None:
        """Release and acknowledge, and leave the group if nothing is pending. Raises RedisError.

        It is tried again as long as something is in flight: on new connections, and perhaps with
        another server.
        """
        while True:
            try:
                await self._run_once()
            except RedisError:
                if not len(self.in_flight):
                    raise
                await trio.sleep(RETRY_S)
            else:
                return

    async def _run_once(self) -> None:
        # The end of the stages may have cut off an exchange, and the connection with it.
        await self.stream.connect()
        for entry_id in self.in_flight.on_trial:
            await self.stream.end_trial(entry_id)
        await self._release(self.in_flight.uncommitted)
        await self._acknowledge()
        await self._release_unread()
        await self.stream.leave_group()

    async def _acknowledge(self) -> None:
        for batch in self.in_flight.unacknowledged:
            await acknowledge(self.stream, batch, self.in_flight)

    async def _release_unread(self) -> None:
        """Release what is in our own pending list and was never read, since its reply was lost.

        Entries of ours that are not in the list were taken over.
        """
        pending, after_id = set[str](), STREAM_START
        while page := await self.stream.list_pending(after_id, PIECE_ENTRIES):
            pending.update(entry.entry_id for entry in page)
            await self._release(self._unreleased(page))
            after_id = page[-1].entry_id
        self.in_flight.reconcile(pending)

    def _unreleased(self, page: Sequence[PendingEntry]) -> list[str]:
        """Entries that were not released yet and were never refused, by this process or an earlier one."""
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
