"""The way of receipts from those who commit to the one who acknowledges."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import trio

from processor.tasks.committing import Receipt
from processor.tasks.in_hand import InHand


class Receipts:
    """A sending end; each task that commits has its own, and closes it."""

    def __init__(self, channel: trio.MemorySendChannel[Receipt], in_hand: InHand) -> None:
        self._channel = channel
        self._in_hand = in_hand

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def clone(self) -> Receipts:
        """Another end, for another task."""
        return Receipts(self._channel.clone(), self._in_hand)

    def close(self) -> None:
        """No more will come from here."""
        self._channel.close()

    async def send(self, receipt: Receipt) -> None:
        """Have it acknowledged. Cancelled, it is not forgotten: the last step of a life looks for it."""
        self._in_hand.committed(receipt.batch)
        await self._channel.send(receipt)
