"""Acknowledges what was committed, and nothing else."""

from __future__ import annotations

from random import random

import trio

from processor import events
from processor.core.backoff import Backoff
from processor.edges.ports import PositionStream
from processor.errors import RedisError, RedisUnavailable
from processor.tasks.committing import Receipt
from processor.tasks.in_hand import InHand
from processor.tasks.retrying import Dependency


class Acker:
    """The one task that acknowledges, so that writers go on meanwhile.

    Owns its end of the receipts. Stops when all writers have closed theirs. Cancelled, it leaves
    committed records pending: they are read again, found in the table, and acknowledged then.
    Raises nothing of Redis' own: an acknowledgement without an answer is repeated.
    """

    def __init__(
        self,
        stream: PositionStream,
        receipts: trio.MemoryReceiveChannel[Receipt],
        *,
        in_hand: InHand,
        redis: Dependency,
        backoff: Backoff,
    ) -> None:
        self._stream = stream
        self._receipts = receipts
        self._in_hand = in_hand
        self._redis = redis
        self._backoff = backoff

    async def run(self) -> None:
        """Acknowledge until the receipts end."""
        with self._receipts:
            async for receipt in self._receipts:
                await self._acknowledge(receipt)
                self._in_hand.settle(receipt.batch.records)
                self._redis.recorder.records_acked(receipt.batch.records)

    async def _acknowledge(self, receipt: Receipt) -> None:
        failures = 0
        while True:
            try:
                await self._stream.ack(receipt.batch)
            except RedisError as error:
                failures += 1
                await self._recover(error, failures)
            else:
                return

    async def _recover(self, error: RedisError, failures: int) -> None:
        """Pause, and connect again where the connection was lost.

        Redis may also be there and not have us yet: loading, read-only after a failover, out of memory.
        """
        pause_ms = self._backoff.pause_ms(failures, random) or 0.0
        events.ack_failed(self._redis.log, error=str(error), retry_ms=round(pause_ms))
        await trio.sleep(pause_ms / 1000)
        if isinstance(error, RedisUnavailable):
            await self._redis.connect(self._stream.connect, self._backoff)
