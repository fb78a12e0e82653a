"""Renews the leases of what is in flight, so that no peer takes it while PostgreSQL is slow or away."""

from __future__ import annotations

from typing import NoReturn

import trio

from processor.edges.retrying_stream import RetryingStream
from processor.journal.journal import Journal
from processor.settling.in_flight import InFlight

RENEWALS_PER_THRESHOLD = 3


async def renew_leases(
    redis: RetryingStream, in_flight: InFlight, threshold_ms: int, journal: Journal
) -> NoReturn:
    """Renew every third of the claim threshold what has been in flight for that long, until cancelled.

    No lease gets older than two thirds. Owns nothing, loses nothing, raises nothing: a connection
    that is lost is replaced here, since nobody else may need it while PostgreSQL is away. A life that
    was frozen for longer finds its entries taken over; it writes and acknowledges them all the same,
    which changes nothing.
    """
    interval_s = threshold_ms / 1000 / RENEWALS_PER_THRESHOLD

    async def renew() -> None:
        if entry_ids := in_flight.held_for(interval_s):
            renewed = await redis.stream.renew(entry_ids)
            others = list(set(entry_ids).difference(renewed))
            # What was acknowledged meanwhile was not taken over.
            taken_over = len(others) - len(in_flight.absent(others))
            journal.leases_renewed(n=len(renewed), taken_over=taken_over)

    while True:
        await trio.sleep(interval_s)
        await redis.until_answered(renew, what="renewal of leases")
