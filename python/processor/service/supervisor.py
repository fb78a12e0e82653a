"""The life of the process: start, run, drain, stop. Rings of tasks, of which the inner end first.

    services   HTTP endpoints, probes, signals         live longest, cancelled last
    └ leases   of what is in flight                      renewed until the stages have ended
      └ stages   writers, acker, recorder of failures  run dry when the intake has ended
        └ intake consumer, reclaimer                   cancelled at the stop request

A stop request cancels the intake and gives the stages a deadline. When the intake has ended, the ends
that feed the stages are closed, and so the rings run dry from the inside. What is undecided then is
handed over to others: while the stages unwind, if they did not run dry, since a write that hangs takes
its time to be cut. A crash in any ring unwinds all of them by the same path.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import trio

from processor.config import Config
from processor.journal.exposition import metrics_text
from processor.journal.journal import Journal
from processor.journal.statistics import POSTGRES, REDIS
from processor.service.assembly import Edges
from processor.service.ending import Ending
from processor.service.pipeline import Pipeline
from processor.service.starting import Start
from processor.settling.in_flight import now_ms
from processor.watching.keep_alive import keep_connections_alive
from processor.watching.lag_probe import probe_lag
from telemetry._codec import __version__
from telemetry.chassis.crash.black_box import BlackBox, sample_devices, sample_in_flight
from telemetry.chassis.dependency import Dependency
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.http import Sources, address_of, open_listeners, serve
from telemetry.chassis.lifecycle import Lifecycle, Phase
from telemetry.chassis.stopping import StopRequest


async def supervise(  # noqa: PLR0913  # everything around a life, handed in by whoever runs it
    config: Config,
    edges: Edges,
    signals: AsyncIterator[int],
    journal: Journal,
    *,
    arm_backstop: Callable[[], None],
    black_box: BlackBox,
) -> ExitCode:
    """Live from the first log line to the last one.

    `signals` yields the stop requests; `arm_backstop` is called with the first one; `black_box` is
    given the ways to ask for the state. Raises ConfigError when the HTTP port is taken, and whatever
    crashes a task, in an exception group.
    """
    journal.service_starting(version=__version__)
    listeners = await open_listeners(config.metrics_host, config.metrics_port)
    stop = StopRequest()
    life = _Life(config, edges, stop, journal)
    life.describe(black_box)
    sources = Sources(lambda: metrics_text(journal.snapshot()), journal.health)
    try:
        async with trio.open_nursery() as services:
            services.start_soon(stop.listen, signals)
            services.start_soon(_arm_on, stop.requested, arm_backstop)
            await services.start(serve, listeners, sources)
            code = await life.start()
            if code is None:
                code = await life.run(services, metrics=address_of(listeners[0]))
            services.cancel_scope.cancel()
    finally:
        await edges.aclose()
    return code


async def _arm_on(requested: trio.Event, arm_backstop: Callable[[], None]) -> None:
    await requested.wait()
    arm_backstop()


class _Life:
    def __init__(self, config: Config, edges: Edges, stop: StopRequest, journal: Journal) -> None:
        self._config = config
        self._edges = edges
        self._stop = stop
        self._journal = journal
        self._lifecycle = Lifecycle()
        self._redis = Dependency(REDIS, journal)
        self._postgres = Dependency(POSTGRES, journal)
        self._pipeline = Pipeline(config, edges, journal=journal)
        self._ending = Ending(config, edges.stream, self._pipeline, stop, journal)

    def describe(self, box: BlackBox) -> None:
        """Say where a crash finds how things stood."""
        pipeline = self._pipeline
        box.statistics = self._journal.snapshot
        box.in_flight = lambda: sample_in_flight(pipeline.in_flight.held, now_ms())
        box.device_states = lambda: sample_devices(pipeline.states)
        box.ledger = lambda: pipeline.in_flight.ledger

    async def start(self) -> ExitCode | None:
        """Connect and check; an exit code if the process cannot or shall not go on."""
        start = Start(
            self._config, self._edges, self._journal, redis=self._redis, postgres=self._postgres
        )
        code = await start.run(self._stop)
        if code is ExitCode.CLEAN:
            self._ending.begin()
            self._ending.say()
        if code is not None:
            self._enter(Phase.STOPPED)
        return code

    async def run(self, services: trio.Nursery, *, metrics: str) -> ExitCode:
        """Read and write until a stop request, then drain and hand over; the exit code."""
        services.start_soon(probe_lag, self._edges.stream, self._journal)
        services.start_soon(keep_connections_alive, self._edges.stream)
        services.start_soon(self._edges.probe.run, self._journal)
        async with trio.open_nursery() as handing_over:
            handing_over.start_soon(self._ending.hand_over, services)
            async with trio.open_nursery() as leases:
                self._pipeline.start_leases(leases)
                await self._read_and_write(services, leases, metrics)
                self._ending.stages_over(leases)
        code = self._ending.say()
        self._enter(Phase.STOPPED)
        return code

    async def _read_and_write(
        self, services: trio.Nursery, leases: trio.Nursery, metrics: str
    ) -> None:
        async with trio.open_nursery() as stages:
            self._pipeline.start_stages(stages)
            try:
                with self._pipeline as pipeline:
                    async with trio.open_nursery() as intake:
                        pipeline.start_intake(intake)
                        self._enter(Phase.RUNNING)
                        self._journal.service_ready(metrics=metrics)
                        await self._stop.requested.wait()
                        self._enter(Phase.DRAINING)
                        self._ending.begin()
                        services.start_soon(self._ending.cut_in_time, stages, leases)
                        intake.cancel_scope.cancel()
            finally:
                self._ending.intake_over()

    def _enter(self, phase: Phase) -> None:
        self._lifecycle.move(phase)
        self._journal.phase_entered(phase)
