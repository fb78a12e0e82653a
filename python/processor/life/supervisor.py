"""The life of the process: start, run, drain, stop. Rings of tasks, of which the inner end first.

    services   HTTP endpoints, probes, signals         live longest, cancelled last
    └ leases   of what is in hand                      renewed until the stages have ended
      └ stages   writers, acker, recorder of failures  run dry when the intake has ended
        └ intake consumer, reclaimer                   cancelled at the stop request

A stop request cancels the intake and gives the stages a deadline. When the intake has ended, the ends
that feed the stages are closed, and so the rings run dry from the inside. What is undecided then is
handed over to others. A crash in any ring unwinds all of them by the same path.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable

import trio

from processor import events
from processor._codec import __version__
from processor.config import Config
from processor.core.lifecycle import Lifecycle, Phase
from processor.edges.http.server import open_listeners, serve
from processor.errors import LedgerImbalance, RedisError
from processor.exit_codes import ExitCode
from processor.life.assembly import Edges
from processor.life.handing_over import HandOver
from processor.life.pipeline import Pipeline
from processor.life.starting import Start
from processor.life.steps import Steps
from processor.life.stopping import StopRequest, cancel_on
from processor.logs import Log
from processor.panic.black_box import BlackBox, devices, in_flight
from processor.statistics import Build, Recorder
from processor.tasks.in_hand import now_ms
from processor.tasks.keep_alive import keep_connections_alive
from processor.tasks.lag_probe import probe_lag
from processor.tasks.postgres_probe import probe_postgres
from processor.tasks.retrying import Dependency

# How long after the budget the hand-over may go on. To cut a write may take 300 ms of it, and 200 ms later
# the process is gone.
HAND_OVER_MS = 800
# How long it may take when nobody wants to wait.
HAND_OVER_INSISTED_MS = 500


async def supervise(  # noqa: PLR0913  # everything around a life, handed in by whoever runs it
    config: Config,
    edges: Edges,
    signals: AsyncIterator[int],
    log: Log,
    *,
    arm_backstop: Callable[[], None],
    black_box: BlackBox,
) -> ExitCode:
    """Live from the first log line to the last one.

    `signals` yields the stop requests; `arm_backstop` is called with the first one; `black_box` is told
    how to ask for the state. Raises ConfigError when the HTTP port is taken, and whatever
    crashes a task, in an exception group.
    """
    events.processor_starting(log, version=__version__)
    listeners = await open_listeners(config.metrics_host, config.metrics_port)
    stop = StopRequest()
    life = _Life(config, edges, stop, log)
    life.describe(black_box)
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
    def __init__(self, config: Config, edges: Edges, stop: StopRequest, log: Log) -> None:
        self._config = config
        self._edges = edges
        self._stop = stop
        self._log = log
        self._lifecycle = Lifecycle()
        self._steps = Steps()
        self._drain_ends_at = math.inf
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
        self._pipeline = Pipeline(config, edges, redis=self._redis, postgres=self._postgres)

    def describe(self, box: BlackBox) -> None:
        """Say where a crash finds how things stood."""
        pipeline = self._pipeline
        box.statistics = self.recorder.snapshot
        box.in_flight = lambda: in_flight(pipeline.in_hand.held, now_ms())
        box.device_states = lambda: devices(pipeline.states)
        box.ledger = lambda: pipeline.in_hand.ledger

    async def start(self) -> ExitCode | None:
        """Connect and check; an exit code if the process cannot or shall not go on."""
        start = Start(
            self._config, self._edges, self._log, redis=self._redis, postgres=self._postgres
        )
        code = await start.run(self._stop)
        if code is ExitCode.CLEAN:
            events.shutdown_starting(self._log, signal=self._stop.signal_name)
            self._say_end(undecided=0)
        if code is not None:
            self._enter(Phase.STOPPED)
        return code

    async def run(self, services: trio.Nursery, *, metrics: str) -> ExitCode:
        """Read and write until a stop request, then drain and hand over; the exit code."""
        services.start_soon(probe_lag, self._edges.stream, self.recorder)
        services.start_soon(keep_connections_alive, self._edges.stream)
        services.start_soon(probe_postgres, self._edges.probe, self.recorder)
        async with trio.open_nursery() as leases:
            self._pipeline.start_leases(leases)
            await self._read_and_write(services, metrics)
            # What is released must not be renewed.
            leases.cancel_scope.cancel()
        self._steps.done("stages")
        code = await self._hand_over()
        self._enter(Phase.STOPPED)
        return code

    async def _read_and_write(self, services: trio.Nursery, metrics: str) -> None:
        async with trio.open_nursery() as stages:
            services.start_soon(cancel_on, self._stop.insisted, stages.cancel_scope)
            self._pipeline.start_stages(stages)
            with self._pipeline as pipeline:
                async with trio.open_nursery() as intake:
                    pipeline.start_intake(intake)
                    self._enter(Phase.RUNNING)
                    events.processor_ready(self._log, metrics=metrics)
                    await self._stop.requested.wait()
                    self._begin_drain()
                    stages.cancel_scope.deadline = self._drain_ends_at
                    intake.cancel_scope.cancel()
            self._steps.done("intake")

    def _begin_drain(self) -> None:
        self._enter(Phase.DRAINING)
        events.shutdown_starting(self._log, signal=self._stop.signal_name)
        self._steps.begin()
        self._drain_ends_at = trio.current_time() + self._config.drain_budget_ms / 1000

    async def _hand_over(self) -> ExitCode:
        """Within what is left of the budget and a moment more: a Redis that answers needs no longer."""
        handing_over = HandOver(self._edges.stream, self._pipeline.in_hand)
        ends_at = self._drain_ends_at + HAND_OVER_MS / 1000
        if self._stop.insisted.is_set():
            ends_at = min(ends_at, trio.current_time() + HAND_OVER_INSISTED_MS / 1000)
        try:
            with trio.move_on_at(ends_at):
                await handing_over.run()
        except RedisError as error:
            events.not_handed_over(self._log, error=str(error))
        self._steps.done("hand_over")
        return self._say_end(undecided=handing_over.undecided)

    def _say_end(self, *, undecided: int) -> ExitCode:
        in_hand = self._pipeline.in_hand
        ledger = in_hand.ledger.closed(in_hand.undecided)
        if ledger.unaccounted:
            raise LedgerImbalance(ledger)
        steps_ms = self._steps.ms
        outcome = "timed_out" if undecided else "clean"
        self.recorder.drained(outcome, sum(steps_ms.values()) / 1000)
        if undecided:
            events.shutdown_timed_out(self._log, ledger=ledger, steps_ms=steps_ms)
            return ExitCode.TIMED_OUT
        signal_name = self._stop.signal_name
        events.shutdown_clean_exit(self._log, signal=signal_name, ledger=ledger, steps_ms=steps_ms)
        return ExitCode.CLEAN

    def _enter(self, phase: Phase) -> None:
        self._lifecycle.move(phase)
        self.recorder.phase_entered(phase)
