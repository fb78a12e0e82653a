"""Listeners that run, for tests: what they hand over is served by a session that keeps what it receives."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import trio

from ingestion.journal.journal import Journal
from ingestion.journal.statistics import Build
from ingestion.listening.listeners import Listeners
from ingestion.listening.options import ListenOptions
from telemetry.chassis.logs import Log
from telemetry.chassis.progress import ProgressTable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from ingestion.journal.statistics import Statistics
    from ingestion.listening.connection import Connection

LOGGER = "ingestion.tests"
HOST = "127.0.0.1"
OPTIONS = ListenOptions(host=HOST, port=0, login_timeout_ms=30_000, max_connections=10_000)


def new_journal() -> Journal:
    build = Build(version="0", instance_id="test", streams=("stream",), drain_budget_s=1)
    return Journal(Log(LOGGER), build)


class Served:
    """The listeners, and the connections that they handed over, in order."""

    def __init__(self, listeners: Listeners) -> None:
        self.listeners = listeners
        self.connections: list[Connection] = []
        self.established: list[Connection] = []
        self.over: list[Connection] = []
        self.broken: list[Connection] = []
        """Those whose end was an error."""
        self.received: dict[Connection, bytes] = {}
        self._changed = trio.Event()

    def port(self, transport: str = "tcp") -> int:
        """Of a listener that is on."""
        address = self.listeners.addresses[transport]
        assert address is not None
        return int(address.rpartition(":")[2])

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something has happened to the connections that makes this true."""
        with trio.fail_after(20):
            while not holds():
                await self._changed.wait()

    async def first(self) -> Connection:
        """The first connection, once it is established."""
        await self.until(lambda: bool(self.established))
        return self.established[0]

    async def until_received(self, data: bytes) -> None:
        """Wait until a connection has received exactly that."""
        await self.until(lambda: data in self.received.values())

    async def until_over(self, count: int = 1) -> None:
        """Wait until so many connections have ended."""
        await self.until(lambda: len(self.over) >= count)

    async def serve(self, connection: Connection) -> None:
        """The session: it receives until the device ends the connection, or somebody closes it."""
        try:
            if await connection.establish():
                self.established.append(connection)
                self._notify()
                while data := await connection.stream.receive_some(4096):
                    self.received[connection] = self.received.get(connection, b"") + data
                    self._notify()
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            self.broken.append(connection)
        finally:
            connection.close()
            self.over.append(connection)
            self._notify()

    def start(self, connection: Connection, sessions: trio.Nursery) -> None:
        """Take over an accepted connection."""
        self.connections.append(connection)
        self._notify()
        sessions.start_soon(self.serve, connection)

    def _notify(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()


class Listening:
    """Runs listeners, and reads what their journal counted and wrote."""

    def __init__(self, caplog: Any) -> None:
        self._caplog = caplog
        self.journal = new_journal()

    @property
    def counts(self) -> Statistics:
        """Of this moment."""
        return self.journal.snapshot()

    @property
    def refused(self) -> dict[str, int]:
        """Connections that were refused, by reason; reasons without any are left out."""
        return {reason: n for reason, n in self.counts.refused_connections.items() if n}

    def lines(self, level: int = logging.WARNING) -> list[str]:
        """What was written at that level."""
        return [
            record.getMessage()
            for record in self._caplog.records
            if record.name == LOGGER and record.levelno == level
        ]

    async def until_refused(self) -> None:
        """Wait until a connection was refused, or has to wait."""
        with trio.fail_after(20):
            while not self.refused:
                await trio.lowlevel.checkpoint()

    @asynccontextmanager
    async def run(
        self,
        serve_datagram: Callable[[bytes, str], Awaitable[bytes | None]] | None = None,
        **options: Any,
    ) -> AsyncIterator[Served]:
        """Listen in this block with these options; connections that are left are closed at its end."""
        listeners = Listeners(replace(OPTIONS, **options), self.journal)
        await listeners.open()
        served = Served(listeners)
        async with trio.open_nursery() as sessions:
            async with trio.open_nursery() as accepting:
                listeners.start_soon(
                    accepting,
                    ProgressTable(),
                    lambda connection: served.start(connection, sessions),
                    serve_datagram or _no_answer,
                )
                try:
                    yield served
                finally:
                    listeners.close()
            for connection in served.connections:
                connection.close()


async def _no_answer(_data: bytes, _address: str) -> bytes | None:
    return None
