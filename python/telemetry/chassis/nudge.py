"""A pause that another task can end early."""

from __future__ import annotations

import trio


class Nudge:
    """Ends a pause early."""

    def __init__(self) -> None:
        self._given = trio.Event()

    def give(self) -> None:
        """End the pause that is going on, or else the next one."""
        self._given.set()

    async def pause(self, seconds: float) -> None:
        """Wait for this time, or until a nudge is given."""
        with trio.move_on_after(seconds):
            await self._given.wait()
        self._given = trio.Event()
