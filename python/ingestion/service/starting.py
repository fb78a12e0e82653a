"""The start: Redis is connected, the list of devices read, the listeners open; or there is an exit code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from ingestion.journal.statistics import REDIS
from telemetry.chassis.dependency import Dependency
from telemetry.chassis.errors import ConfigError, EdgeError
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.stopping import StopRequest, cancel_on

if TYPE_CHECKING:
    from ingestion.journal.journal import Journal
    from ingestion.service.rooms import Rooms
    from telemetry.chassis.backoff import Backoff


@dataclass(frozen=True, kw_only=True, slots=True)
class StartOptions:
    """The server, for a log line, and how often it is tried."""

    redis_host: str
    """Or the path of a socket."""
    redis_port: int | None
    backoff: Backoff


class Start:
    """Connects and opens, with as many tries as the configuration grants."""

    def __init__(self, options: StartOptions, rooms: Rooms, journal: Journal) -> None:
        self._options = options
        self._rooms = rooms
        self._journal = journal
        self._redis = Dependency(REDIS, journal)

    async def run(self, stop: StopRequest) -> ExitCode | None:
        """None if all succeeded, else the exit code; CLEAN if a stop was requested meanwhile."""
        code: ExitCode | None = ExitCode.CLEAN
        async with trio.open_nursery() as starting:
            # A stop before the start needs no delay: nobody has connected.
            starting.start_soon(cancel_on, stop.announced, starting.cancel_scope)
            code = await self._connect()
            starting.cancel_scope.cancel()
        return ExitCode.CLEAN if stop.announced.is_set() else code

    async def _connect(self) -> ExitCode | None:
        options = self._options
        try:
            await self._redis.connect(self._attempt, options.backoff)
            self._journal.redis_connected(host=options.redis_host, port=options.redis_port)
            # Last: a device that is let in is served, and until then a balancer takes another instance.
            await self._rooms.listeners.open()
        except EdgeError as error:
            self._journal.start_failed(
                where=error.where, error=str(error), is_refusal=error.is_refusal
            )
            return ExitCode.UNREACHABLE
        except ConfigError as error:
            # A port in use, or no list of devices where one is needed.
            self._journal.misconfigured(error=str(error))
            return ExitCode.BAD_CONFIGURATION
        return None

    async def _attempt(self) -> None:
        await self._rooms.publishers.connect()
        await self._rooms.devices.start()
