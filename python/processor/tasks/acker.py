"""Acknowledges what was committed, and nothing else."""

from __future__ import annotations

import trio

from processor.tasks.in_hand import InHand
from processor.tasks.receipts import Receipt
from processor.tasks.retrying import Redis


class Acker:
    """The one task that acknowledges, so that writers go on meanwhile.

    Owns its end of the receipts. Stops when all writers have closed theirs. Cancelled, it leaves
    committed records pending: they are read again, found in the table, and acknowledged then.
    Raises nothing of Redis' own: an acknowledgement without an answer is repeated.
    """

    def __init__(
        self, redis: Redis, receipts: trio.MemoryReceiveChannel[Receipt], *, in_hand: InHand
    ) -> None:
        self._redis = redis
        self._receipts = receipts
        self._in_hand = in_hand

    async def run(self) -> None:
        """Acknowledge until the receipts end."""
        with self._receipts:
            async for receipt in self._receipts:
                await self._acknowledge(receipt)

    async def _acknowledge(self, receipt: Receipt) -> None:
        attempted = self._in_hand.attempted(receipt.batch)

        async def acknowledge() -> int:
            return await self._redis.stream.ack(receipt.batch, attempted=attempted)

        await self._redis.until_answered(acknowledge, what="acknowledgement")
        self._in_hand.acked(receipt.batch)
