"""The drill's load: steady records for as long as it runs, and backlogs on request."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import trio

if TYPE_CHECKING:
    from drills.drive import Drive
    from drills.observed import DrillStream

_BATCH_RECORDS_MAX = 1_000
# Even enough to look like many devices.
_TICK_S = 0.05


class Publishing:
    """Publishes the drive's records in order, each once."""

    def __init__(self, stream: DrillStream, drive: Drive) -> None:
        self._stream = stream
        self._drive = drive
        self._in_turn = trio.Lock()
        self.published = 0
        """Records that Redis has confirmed: numbers 0 to `published` - 1."""

    async def publish(self, count: int) -> None:
        """Publish the next `count` records."""
        async with self._in_turn:
            goal = self.published + count
            while self.published < goal:
                size = min(_BATCH_RECORDS_MAX, goal - self.published)
                # Not abandoned when cancelled: what was sent is counted.
                await trio.to_thread.run_sync(self._publish_next, size)

    async def run_steadily(self, rate: int) -> NoReturn:
        """Publish `rate` records a second until cancelled. A delay is made up for."""
        started, sent = trio.current_time(), 0
        while True:
            await trio.sleep(_TICK_S)
            due = int((trio.current_time() - started) * rate) - sent
            sent += due
            await self.publish(due)

    def _publish_next(self, size: int) -> None:
        self._stream.publish(self._drive.entries(self.published, size))
        self.published += size
