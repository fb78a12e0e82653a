"""Asks PostgreSQL whether it answers, so that a database that died in a quiet hour is noticed before the next batch."""

from __future__ import annotations

from typing import NoReturn

import trio

from processor.edges.ports import PositionStore
from processor.errors import PostgresError
from processor.statistics import Recorder

INTERVAL_S = 2.0
REPORTER = "probe"


async def probe_postgres(store: PositionStore, recorder: Recorder) -> NoReturn:
    """Ask every other second on a session of its own, until cancelled.

    A server that is frozen in the middle of a write is noticed here long before the write gives up.
    Owns its store, loses nothing, raises nothing.
    """
    while True:
        try:
            await store.ping()
        except PostgresError as error:
            recorder.dependency_lost("postgres", str(error), by=REPORTER)
        else:
            recorder.dependency_ready("postgres", by=REPORTER)
        await trio.sleep(INTERVAL_S)
