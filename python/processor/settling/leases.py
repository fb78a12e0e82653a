"""Renews the leases of entries in flight, so that no peer claims them while PostgreSQL is slow or away."""

from __future__ import annotations

from typing import NoReturn

import trio

from processor.core.in_flight import InFlight
from processor.edges.retrying_stream import RetryingStream
from processor.journal.journal import Journal
from telemetry.chassis import progress

RENEWALS_PER_THRESHOLD = 3


async def renew_leases(
    redis: RetryingStream, in_flight: InFlight, threshold_ms: int, journal: Journal
) -> NoReturn:
    """Every third of the claim threshold, renew what has been in flight for at least that long.

    So no lease gets older than two thirds of the threshold. Owns nothing. Stops only when cancelled. Cancelled,
    it loses nothing. Raises nothing: it replaces a lost connection itself, since no other task may need Redis
    while PostgreSQL is away. A process that was frozen for longer finds entries taken over. It writes and
    acknowledges them all the same, which is harmless: the rows are found as duplicates.
    """
    interval_s = threshold_ms / 1000 / RENEWALS_PER_THRESHOLD

    async def renew() -> None:
        if entry_ids := in_flight.older_than(interval_s):
            renewed = await redis.stream.renew(entry_ids)
            others = list(set(entry_ids).difference(renewed))
            # Entries that were acknowledged meanwhile are not in flight any more, and were not taken over.
            taken_over = len(others) - len(in_flight.absent(others))
            journal.leases_renewed(n=len(renewed), taken_over=taken_over)

    while True:
        await trio.sleep(interval_s)
        with progress.working():
            await redis.until_answered(renew, what="renewal of leases")
