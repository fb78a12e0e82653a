"""The start: both servers are connected, the schema is checked, the group exists; or there is an exit code."""

from __future__ import annotations

from dataclasses import dataclass

import trio

from processor.edges.redis.names import StreamNames
from processor.errors import SchemaMismatch
from processor.journal.journal import Journal
from processor.journal.statistics import POSTGRES, REDIS
from processor.service.edges import Edges
from telemetry.chassis.backoff import Backoff
from telemetry.chassis.dependency import Dependency
from telemetry.chassis.errors import ConfigError, EdgeError
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.stopping import StopRequest, cancel_on


@dataclass(frozen=True, kw_only=True, slots=True)
class StartOptions:
    """The servers and names to connect to, and how often that is tried."""

    names: StreamNames
    redis_host: str
    """For a log line, as the next three; or the path of a socket."""
    redis_port: int | None
    postgres_host: str
    postgres_port: str
    backoff: Backoff


class Start:
    """Connects and checks, with as many tries as the configuration grants."""

    def __init__(self, options: StartOptions, edges: Edges, journal: Journal) -> None:
        self._options = options
        self._edges = edges
        self._journal = journal
        self._redis = Dependency(REDIS, journal)
        self._postgres = Dependency(POSTGRES, journal)

    async def run(self, stop: StopRequest) -> ExitCode | None:
        """None if all succeeded, else the exit code; CLEAN if a stop was requested meanwhile."""
        code: ExitCode | None = ExitCode.CLEAN
        async with trio.open_nursery() as starting:
            starting.start_soon(cancel_on, stop.requested, starting.cancel_scope)
            code = await self._connect()
            starting.cancel_scope.cancel()
        return ExitCode.CLEAN if stop.requested.is_set() else code

    async def _connect(self) -> ExitCode | None:
        try:
            await self._connect_postgres()
            await self._connect_redis()
        except SchemaMismatch as mismatch:
            self._journal.schema_mismatch(differences=mismatch.differences)
            return ExitCode.SCHEMA
        except ConfigError as error:
            self._journal.misconfigured(error=str(error))
            return ExitCode.BAD_CONFIGURATION
        except EdgeError as error:
            self._journal.start_failed(
                where=error.where, error=str(error), is_refusal=error.is_refusal
            )
            return ExitCode.UNREACHABLE
        return None

    async def _connect_postgres(self) -> None:
        warnings: tuple[str, ...] = ()

        async def attempt() -> None:
            nonlocal warnings
            for store in self._edges.stores:
                await store.connect()
            warnings = await self._edges.stores[0].check_schema()

        await self._postgres.connect(attempt, self._options.backoff)
        options = self._options
        self._journal.postgres_connected(host=options.postgres_host, port=options.postgres_port)
        for warning in warnings:
            self._journal.schema_warning(warning=warning)

    async def _connect_redis(self) -> None:
        is_new = False

        async def attempt() -> None:
            nonlocal is_new
            await self._edges.stream.connect()
            # Once missing, always new: this attempt may fail after it has created the stream.
            ensured = await self._edges.stream.ensure_group()
            is_new = ensured.stream_was_missing or is_new

        await self._redis.connect(attempt, self._options.backoff)
        options, names = self._options, self._options.names
        self._journal.redis_connected(host=options.redis_host, port=options.redis_port)
        if is_new:
            self._journal.stream_missing(stream=names.stream)
        self._journal.consumer_started(
            stream=names.stream,
            group=names.group,
            consumer=names.consumer,
        )
