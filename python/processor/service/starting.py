"""The start of a life: both servers connected, the schema checked, the group there; or an exit code."""

from __future__ import annotations

import trio

from processor.config import Config
from processor.errors import SchemaMismatch
from processor.journal.journal import Journal
from processor.service.assembly import Edges
from telemetry.chassis.backoff import BACKOFF_BASE_MS, Backoff
from telemetry.chassis.dependency import Dependency
from telemetry.chassis.errors import EdgeError
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.stopping import StopRequest, cancel_on


class Start:
    """Connects and checks, with as many tries as the configuration grants."""

    def __init__(
        self,
        config: Config,
        edges: Edges,
        journal: Journal,
        *,
        redis: Dependency,
        postgres: Dependency,
    ) -> None:
        self._config = config
        self._edges = edges
        self._journal = journal
        self._redis = redis
        self._postgres = postgres
        attempts_max = config.connect_attempts
        self._backoff = Backoff(
            base_ms=BACKOFF_BASE_MS, max_ms=config.connect_backoff_max_ms, attempts_max=attempts_max
        )

    async def run(self, stop: StopRequest) -> ExitCode | None:
        """None when all is there; else why the process ends, CLEAN for a stop request meanwhile."""
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

        await self._postgres.connect(attempt, self._backoff)
        target = self._config.postgres_url
        self._journal.postgres_connected(host=target.host, port=target.port)
        for warning in warnings:
            self._journal.schema_warning(warning=warning)

    async def _connect_redis(self) -> None:
        is_new = False

        async def attempt() -> None:
            nonlocal is_new
            await self._edges.stream.connect()
            # Once seen missing, the stream is there: this attempt may fail behind its creation.
            ensured = await self._edges.stream.ensure_group()
            is_new = ensured.stream_was_missing or is_new

        await self._redis.connect(attempt, self._backoff)
        target = self._config.redis_url
        port = None if target.path else target.port
        self._journal.redis_connected(host=target.path or target.host, port=port)
        stream = self._config.redis_telemetry_stream
        if is_new:
            self._journal.stream_missing(stream=stream)
        self._journal.consumer_started(
            stream=stream,
            group=self._config.redis_consumer_group,
            consumer=self._config.redis_consumer_name,
        )
