"""Acknowledges the entries of committed records, and nothing else."""

from __future__ import annotations

from functools import partial

import trio

from processor.core.in_flight import InFlight
from processor.edges.ports import PositionStream
from processor.edges.retrying_stream import RetryingStream
from processor.settling.receipts import Receipt
from telemetry._codec import Batch
from telemetry.chassis import progress


class Acker:
    """The one task that acknowledges, so that writers do not wait for Redis.

    Owns its end of the receipts. Stops when every sender has closed its own. Cancelled, it leaves committed
    records pending: they are read again, found in the table, and acknowledged then. Never raises RedisError: the
    part of a batch that was not answered is sent again, and the answered part is not.
    """

    def __init__(
        self,
        redis: RetryingStream,
        receipts: trio.MemoryReceiveChannel[Receipt],
        *,
        in_flight: InFlight,
    ) -> None:
        self._redis = redis
        self._receipts = receipts
        self._in_flight = in_flight

    async def run(self) -> None:
        """Acknowledge until the receipts end."""
        with self._receipts:
            async for receipt in self._receipts:
                with progress.working():
                    await self._acknowledge(receipt)

    async def _acknowledge(self, receipt: Receipt) -> None:
        rest: Batch | None = receipt.batch
        while rest is not None:
            progress.step()
            some = partial(acknowledge_first, self._redis.stream, rest, self._in_flight)
            rest = await self._redis.until_answered(some, what="acknowledgement")


async def acknowledge(stream: PositionStream, batch: Batch, in_flight: InFlight) -> None:
    """Acknowledge a committed batch to its end. Raises RedisError; what was answered by then stays settled."""
    rest: Batch | None = batch
    while rest is not None:
        rest = await acknowledge_first(stream, rest, in_flight)


async def acknowledge_first(
    stream: PositionStream, batch: Batch, in_flight: InFlight
) -> Batch | None:
    """Acknowledge as much of a committed batch as one exchange holds; the rest of it, or None.

    Raises RedisError.
    """
    acked = await stream.ack(batch, attempted=in_flight.attempted(batch))
    return in_flight.acked_first(batch, acked)
