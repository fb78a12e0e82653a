"""What tests of the listeners need: a journal whose counts and lines can be read, and listeners that run."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
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


class Observed:
    """A journal, and what it counted and wrote."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        self.journal = Journal(
            Log(LOGGER),
            Build(version="0", instance_id="test", streams=("stream",), drain_budget_s=1),
        )

    @property
    def counts(self) -> Statistics:
        return self.journal.snapshot()

    def lines(self, level: int = logging.WARNING) -> list[str]:
        """What was written at that level."""
        return [
            record.getMessage()
            for record in self._caplog.records
            if record.name == LOGGER and record.levelno == level
        ]


@pytest.fixture
def observed(caplog: pytest.LogCaptureFixture) -> Any:
    with caplog.at_level(logging.DEBUG, logger=LOGGER):
        yield Observed(caplog)


OPTIONS = ListenOptions(host=HOST, port=0, login_timeout_ms=30_000, max_connections=100)


class Served:
    """Listeners, and the connections that they handed over; each is served until the device ends it."""

    def __init__(self, listeners: Listeners) -> None:
        self.listeners = listeners
        self.connections: list[Connection] = []
        self.established: list[Connection] = []
        self.failed: list[Connection] = []
        self.received: dict[Connection, bytes] = {}
        self._changed = trio.Event()

    def port(self, transport: str = "tcp") -> int:
        address = self.listeners.addresses[transport]
        assert address is not None
        return int(address.rpartition(":")[2])

    async def until(self, holds: Callable[[], bool]) -> None:
        with trio.fail_after(10):
            while not holds():
                await self._changed.wait()

    def tell(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def talk(self, connection: Connection) -> None:
        try:
            is_established = await connection.establish()
            (self.established if is_established else self.failed).append(connection)
            self.tell()
            while is_established and (data := await connection.receive_bytes(4096)):
                self.received[connection] = self.received.get(connection, b"") + data
                self.tell()
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            connection.close()
            self.tell()


async def nobody(_data: bytes, _address: str) -> bytes | None:
    return None


Serve = Any


@pytest.fixture
def serving(observed: Observed) -> Any:
    @asynccontextmanager
    async def serving(
        serve_datagram: Callable[[bytes, str], Awaitable[bytes | None]] = nobody, **changes: Any
    ) -> AsyncIterator[Served]:
        listeners = Listeners(replace(OPTIONS, **changes), observed.journal)
        await listeners.open()
        served = Served(listeners)
        async with trio.open_nursery() as sessions:

            def start(connection: Connection) -> None:
                served.connections.append(connection)
                served.tell()
                sessions.start_soon(served.talk, connection)

            async with trio.open_nursery() as accepting:
                listeners.start_soon(accepting, ProgressTable(), start, serve_datagram)
                yield served
                listeners.close()
            for connection in served.connections:
                connection.close()

    return serving
