"""Acknowledges the entries of committed records, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Final

import trio

from processor.core.in_flight import InFlight
from processor.edges.ports import PositionStream
from processor.edges.retrying_stream import RetryingStream
from processor.settling.receipts import Receipt
from telemetry._codec import Batch
from telemetry.chassis import progress
from telemetry.chassis.nudge import Nudge

# How long small batches gather, to be acknowledged together: an exchange costs the same whatever it names. Committed
# records stay pending meanwhile; what is in flight keeps its lease.
GATHER_S: Final = 0.1
# A batch of this size or more has an exchange of its own.
LARGE_RECORDS: Final = 1_000


class Acker:
    """The one task that acknowledges, so that writers do not wait for Redis.

    Owns its end of the receipts. Stops when every sender has closed its own, and lets nothing gather then. Cancelled,
    it leaves committed records pending: they are read again, found in the table, and acknowledged then. Never raises
    RedisError: the part of a batch that was not answered is sent again, and the answered part is not.
    """

    def __init__(
        self,
        redis: RetryingStream,
        receipts: trio.MemoryReceiveChannel[Receipt],
        due: Nudge,
        *,
        in_flight: InFlight,
    ) -> None:
        """`due`: given where receipts should gather no longer."""
        self._redis = redis
        self._receipts = receipts
        self._due = due
        self._in_flight = in_flight

    async def run(self) -> None:
        """Acknowledge until the receipts end."""
        with self._receipts:
            async for receipt in self._receipts:
                is_small = receipt.batch.records < LARGE_RECORDS
                gathered = await self._gathered(receipt) if is_small else [receipt.batch]
                with progress.working():
                    await self._acknowledge(self._in_flight.committed_together(gathered))

    async def _gathered(self, first: Receipt) -> list[Batch]:
        """The batches of what comes in within a while; what has come by the end is taken at once."""
        if self._receipts.statistics().open_send_channels:
            await self._due.pause(GATHER_S)
        batches = [first.batch]
        with suppress(trio.WouldBlock, trio.EndOfChannel):
            while batches[-1].records < LARGE_RECORDS:
                batches.append(self._receipts.receive_nowait().batch)
        return batches

    async def _acknowledge(self, batch: Batch) -> None:
        rest: Batch | None = batch
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
