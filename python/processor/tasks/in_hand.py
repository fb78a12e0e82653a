"""What the process has in hand: records read, and neither acknowledged nor left pending."""

from __future__ import annotations

import trio


class InHand:
    """A count that can be waited for."""

    def __init__(self) -> None:
        self._records = 0
        self._empty = trio.Event()
        self._empty.set()

    @property
    def records(self) -> int:
        """Records in hand now."""
        return self._records

    def take(self, records: int) -> None:
        """So many were read."""
        if records and not self._records:
            self._empty = trio.Event()
        self._records += records

    def settle(self, records: int) -> None:
        """So many were acknowledged, or are left pending on purpose."""
        self._records -= records
        if self._records == 0:
            self._empty.set()

    async def until_empty(self) -> None:
        """Return when nothing is in hand."""
        await self._empty.wait()
