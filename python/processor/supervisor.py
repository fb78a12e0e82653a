"""The life of the process: start, run, drain, stop. Three rings of tasks, of which the inner end first.

    services   HTTP endpoints, probes, signals         live longest, cancelled last
    └ stages   writers, acker                          run dry when the intake has ended
      └ intake consumer                                cancelled at the stop request

A stop request cancels the intake and gives the stages a deadline. The consumer closes the writers'
inlets, they close the acker's, and so the rings run dry from the inside. A crash in any ring unwinds
all of them by the same path.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable

import trio

from processor import events
from processor._codec import Batch, DeviceStates, __version__
from processor.assembly import Edges
from processor.config import Config
from processor.core.backoff import Backoff
from processor.core.batching import Batching
from processor.core.lifecycle import Lifecycle, Phase
from processor.edges.http.server import open_listeners, serve
from processor.errors import EdgeError, SchemaMismatch
from processor.exit_codes import ExitCode
from processor.logs import Log
from processor.statistics import Build, Recorder
from processor.stopping import StopRequest, cancel_on
from processor.tasks.acker import Acker
from processor.tasks.committing import Receipt
from processor.tasks.consumer import Consumer, ReadOptions
from processor.tasks.in_hand import InHand
from processor.tasks.lag_probe import probe_lag
from processor.tasks.postgres_probe import probe_postgres
from processor.tasks.retrying import BACKOFF_BASE_MS, Dependency
from processor.tasks.writer import Writer

# Commits that wait for their acknowledgement; beyond them writers wait for Redis.
RECEIPTS_MAX = 8


async def supervise(
    config: Config,
    edges: Edges,
    signals: AsyncIterator[int],
    log: Log,
    *,
    arm_backstop: Callable[[], None],
) -> ExitCode:
    """Live from the first log line to the last one.

    `signals` yields the stop requests; `arm_backstop` is called with the first one. Raises ConfigError
    when the HTTP port is taken, and whatever crashes a task, in an exception group.
    """
    events.processor_starting(log, version=__version__)
    listeners = await open_listeners(config.metrics_host, config.metrics_port)
    stop = StopRequest()
    life = _Life(config, edges, stop, log)
    try:
        async with trio.open_nursery() as services:
            services.start_soon(stop.listen, signals)
            services.start_soon(_arm_on, stop.requested, arm_backstop)
            await services.start(serve, listeners, life.recorder.snapshot)
            code = await life.start()
            if code is None:
                host, port, *_ = listeners[0].socket.getsockname()
                code = await life.run(services, metrics=f"{host}:{port}")
            services.cancel_scope.cancel()
    finally:
        await edges.aclose()
    return code


async def _arm_on(requested: trio.Event, arm_backstop: Callable[[], None]) -> None:
    await requested.wait()
    arm_backstop()


class _Life:
    def __init__(
        self,
        config: Config,
        edges: Edges,
        stop: StopRequest,
        log: Log,
    ) -> None:
        self._config = config
        self._edges = edges
        self._stop = stop
        self._log = log
        self._lifecycle = Lifecycle()
        self._in_hand = InHand()
        self.recorder = Recorder(
            Build(
                version=__version__,
                stream=config.redis_telemetry_stream,
                group=config.redis_consumer_group,
                consumer=config.redis_consumer_name,
            )
        )
        self._redis = Dependency("redis", "Redis", self.recorder, log)
        self._postgres = Dependency("postgres", "Postgres", self.recorder, log)

    async def start(self) -> ExitCode | None:
        """Connect and check; an exit code if the process cannot or shall not go on."""
        code: ExitCode | None = ExitCode.CLEAN
        async with trio.open_nursery() as starting:
            starting.start_soon(cancel_on, self._stop.requested, starting.cancel_scope)
            code = await self._connect()
            starting.cancel_scope.cancel()
        if self._stop.requested.is_set():
            code = ExitCode.CLEAN
            events.shutdown_starting(self._log, signal=self._stop.signal_name)
            self._say_clean_exit(steps_ms={})
        if code is not None:
            self._enter(Phase.STOPPED)
        return code

    async def _connect(self) -> ExitCode | None:
        backoff = self._backoff(attempts_max=self._config.connect_attempts)
        try:
            await self._connect_postgres(backoff)
            await self._connect_redis(backoff)
        except SchemaMismatch as mismatch:
            events.schema_mismatch(self._log, differences=mismatch.differences)
            return ExitCode.SCHEMA
        except EdgeError as error:
            events.start_failed(self._log, where=error.where, error=str(error))
            return ExitCode.UNREACHABLE
        return None

    async def _connect_postgres(self, backoff: Backoff) -> None:
        warnings: tuple[str, ...] = ()

        async def attempt() -> None:
            nonlocal warnings
            for store in self._edges.stores:
                await store.connect()
            warnings = await self._edges.stores[0].check_schema()

        await self._postgres.connect(attempt, backoff)
        target = self._config.postgres_url
        events.postgres_connected(self._log, host=target.host, port=target.port)
        for warning in warnings:
            events.schema_warning(self._log, warning=warning)

    async def _connect_redis(self, backoff: Backoff) -> None:
        is_new = False

        async def attempt() -> None:
            nonlocal is_new
            await self._edges.stream.connect()
            # Once seen missing, the stream is there: this attempt may fail behind its creation.
            is_new = await self._edges.stream.ensure_group() or is_new

        await self._redis.connect(attempt, backoff)
        target = self._config.redis_url
        port = None if target.path else target.port
        events.redis_connected(self._log, host=target.path or target.host, port=port)
        stream = self._config.redis_telemetry_stream
        if is_new:
            events.stream_missing(self._log, stream=stream)
        events.consumer_started(
            self._log,
            stream=stream,
            group=self._config.redis_consumer_group,
            consumer=self._config.redis_consumer_name,
        )

    async def run(self, services: trio.Nursery, *, metrics: str) -> ExitCode:
        """Read and write until a stop request, then drain; the exit code."""
        services.start_soon(probe_lag, self._edges.stream, self.recorder)
        services.start_soon(probe_postgres, self._edges.probe, self.recorder)
        async with trio.open_nursery() as stages:
            services.start_soon(cancel_on, self._stop.insisted, stages.cancel_scope)
            inlets = self._start_stages(stages)
            async with trio.open_nursery() as intake:
                intake.start_soon(self._consumer(inlets).run)
                self._enter(Phase.RUNNING)
                events.processor_ready(self._log, metrics=metrics)
                await self._stop.requested.wait()
                stopped_at = self._begin_drain(stages.cancel_scope)
                intake.cancel_scope.cancel()
            intake_ended_at = trio.current_time()
        self._enter(Phase.STOPPED)
        if stages.cancel_scope.cancelled_caught:
            events.shutdown_timed_out(self._log, released=0, left=self._in_hand.records)
            return ExitCode.TIMED_OUT
        self._say_clean_exit(
            steps_ms={
                "intake": (intake_ended_at - stopped_at) * 1000,
                "stages": (trio.current_time() - intake_ended_at) * 1000,
            }
        )
        return ExitCode.CLEAN

    def _start_stages(self, stages: trio.Nursery) -> list[trio.MemorySendChannel[Batch]]:
        """Start the writers and the acker; the writers' inlets."""
        receipts_in, receipts_out = trio.open_memory_channel[Receipt](RECEIPTS_MAX)
        states = DeviceStates(self._config.device_state_lru_cap)
        inlets: list[trio.MemorySendChannel[Batch]] = []
        with receipts_in:
            for store in self._edges.stores:
                inlet, outlet = trio.open_memory_channel[Batch](self._reads_ahead_max)
                inlets.append(inlet)
                writer = Writer(
                    store,
                    outlet,
                    receipts_in.clone(),
                    batching=self._batching(),
                    states=states,
                    in_hand=self._in_hand,
                    postgres=self._postgres,
                    backoff=self._backoff(),
                )
                stages.start_soon(writer.run)
        acker = Acker(
            self._edges.stream,
            receipts_out,
            in_hand=self._in_hand,
            redis=self._redis,
            backoff=self._backoff(),
        )
        stages.start_soon(acker.run)
        return inlets

    def _consumer(self, inlets: list[trio.MemorySendChannel[Batch]]) -> Consumer:
        config = self._config
        return Consumer(
            self._edges.stream,
            inlets,
            ReadOptions(count=config.batch_size, block_ms=config.batch_block_ms),
            in_hand=self._in_hand,
            redis=self._redis,
            backoff=self._backoff(),
        )

    @property
    def _reads_ahead_max(self) -> int:
        """Reads that wait for a busy writer: under load they fill its next batch, and no more."""
        return math.ceil(self._config.write_batch_size / self._config.batch_size)

    def _batching(self) -> Batching[Batch]:
        config = self._config
        return Batching(rows_max=config.write_batch_size, linger_s=config.write_linger_ms / 1000)

    def _backoff(self, *, attempts_max: int | None = None) -> Backoff:
        max_ms = self._config.connect_backoff_max_ms
        return Backoff(base_ms=BACKOFF_BASE_MS, max_ms=max_ms, attempts_max=attempts_max)

    def _begin_drain(self, stages: trio.CancelScope) -> float:
        self._enter(Phase.DRAINING)
        events.shutdown_starting(self._log, signal=self._stop.signal_name)
        now = trio.current_time()
        stages.deadline = now + self._config.drain_budget_ms / 1000
        return now

    def _enter(self, phase: Phase) -> None:
        self._lifecycle.move(phase)
        self.recorder.phase_entered(phase)

    def _say_clean_exit(self, *, steps_ms: dict[str, float]) -> None:
        now = self.recorder.snapshot()
        ledger = {
            "read": now.records_read - now.records_reread,
            "acked": now.acks - now.records_lost,
            "lost": now.records_lost,
            "left_pending": sum(now.decode_errors.values()) + now.position_writes["failed"],
        }
        events.shutdown_clean_exit(
            self._log, signal=self._stop.signal_name, ledger=ledger, steps_ms=steps_ms
        )
