"""Asks Redis how far the group is behind, and when it was last fed, for the metrics."""

from __future__ import annotations

from typing import NoReturn

import trio

from processor.edges.ports import PositionStream
from processor.journal.journal import Journal
from telemetry.chassis import progress
from telemetry.chassis.errors import RedisError

# As often as metrics are scraped at most; the commands cost Redis microseconds.
INTERVAL_S = 1.0


async def probe_lag(stream: PositionStream, journal: Journal) -> NoReturn:
    """Ask once a second. Without an answer, all that it asks for is reported as unknown.

    Owns nothing. Stops only when cancelled. Cancelled, it loses nothing. Raises nothing: the consumer and the
    acker notice a lost Redis.
    """
    while True:
        with progress.working():
            await _look(stream, journal)
        await trio.sleep(INTERVAL_S)


async def _look(stream: PositionStream, journal: Journal) -> None:
    try:
        look = await stream.look()
    except RedisError:
        journal.queue_seen(lag=None, pending_entries=None)
    else:
        journal.queue_seen(
            lag=look.lag,
            pending_entries=look.pending,
            oldest_id=look.oldest_pending_id,
            last_id=look.last_id,
            server_ms=look.server_ms,
            length=look.length,
            dead_letters=look.dead_letters,
        )
