"""A server with few file descriptors: it echoes, and prints what its journal counted when its input ends."""

from __future__ import annotations

import json
import logging
import resource
import sys

import trio

from ingestion.journal.statistics import LISTENERS
from ingestion.listening.connection import Connection
from ingestion.listening.listeners import Listeners
from telemetry.chassis.progress import ProgressTable
from tests.support.listening_harness import LOGGER, OPTIONS, new_journal

DESCRIPTORS = 48


class Lines(logging.Handler):
    """Keeps every line."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(f"{record.levelname} {record.getMessage()}")


async def echo(connection: Connection) -> None:
    try:
        while data := await connection.receive_bytes(100):
            await connection.send(data)
    finally:
        connection.close()


async def main() -> None:
    lines = Lines()
    logging.getLogger(LOGGER).addHandler(lines)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    journal = new_journal()
    listeners = Listeners(OPTIONS, journal)
    await listeners.open()
    obstacle_seen = False
    async with trio.open_nursery() as nursery:
        listeners.start_soon(
            nursery,
            ProgressTable(),
            lambda connection: nursery.start_soon(echo, connection),
            lambda _data, _address: trio.lowlevel.checkpoint(),
        )
        print(listeners.addresses["tcp"], flush=True)
        requests = trio.lowlevel.FdStream(0)
        async for _ in requests:
            obstacle_seen = obstacle_seen or LISTENERS in journal.health().obstacles
            print(json.dumps({"hindered": LISTENERS in journal.health().obstacles}), flush=True)
        nursery.cancel_scope.cancel()
    refused = journal.snapshot().refused_connections
    print(json.dumps({"refused": dict(refused), "lines": lines.kept}))


if __name__ == "__main__":
    trio.run(main)
    sys.exit(0)
