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


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def echo(connection: Connection) -> None:
    try:
        while data := await connection.stream.receive_some(100):
            await connection.stream.send_all(data)
    finally:
        connection.close()


async def no_answer(_data: bytes, _address: str) -> None:
    """No datagram comes."""


async def main() -> None:
    lines = Lines()
    logging.getLogger(LOGGER).addHandler(lines)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    journal = new_journal()
    listeners = Listeners(OPTIONS, journal)
    await listeners.open()
    async with trio.open_nursery() as nursery:
        listeners.start_soon(
            nursery,
            ProgressTable(),
            lambda connection: nursery.start_soon(echo, connection),
            no_answer,
        )
        say(str(listeners.addresses["tcp"]))
        async for _ in trio.lowlevel.FdStream(sys.stdin.fileno()):
            say(json.dumps({"hindered": LISTENERS in journal.health().obstacles}))
        nursery.cancel_scope.cancel()
    refused = journal.snapshot().refused_connections
    say(json.dumps({"refused": dict(refused), "lines": lines.kept}))


if __name__ == "__main__":
    trio.run(main)
