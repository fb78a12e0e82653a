"""The service from its first log line to its last one: the processor's tasks in the chassis' rings.

    services   HTTP, requests, probes, signals        live longest, cancelled last
    └ guards   leases of what is in flight            renewed until the stages have ended
      └ stages   writers, acker, failure recorder     run dry when the intake has ended
        └ intake   consumer, reclaimer                cancelled at the stop request

`telemetry/chassis/rings.py` opens the rings and decides what ends before what.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import trio

from processor.answering.answers import Answers, Parts
from processor.core.requests import CLAIM_NOW
from processor.journal import SERVICE
from processor.journal.identity import Identity
from processor.journal.journal import Journal
from processor.service.crash_sections import sample_devices, sample_in_flight
from processor.service.edges import Edges
from processor.service.ending import Ending
from processor.service.endpoints import Endpoints
from processor.service.pipeline import Pipeline, PipelineOptions
from processor.service.starting import Start, StartOptions
from processor.watching.keep_alive import keep_connections_alive
from processor.watching.lag_probe import probe_lag
from telemetry._codec import __version__
from telemetry.chassis import clocks
from telemetry.chassis.control.responder import Responder
from telemetry.chassis.crash.document import DumpOptions
from telemetry.chassis.crash.sections import BlackBox
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.http import address_of, open_listeners, serve
from telemetry.chassis.lifecycle import Lifecycle, Phase
from telemetry.chassis.logs.switch import LevelSwitch
from telemetry.chassis.progress import ProgressTable
from telemetry.chassis.redis.subscription import SubscriptionOptions
from telemetry.chassis.rings import run_rings
from telemetry.chassis.stopping import StopRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceOptions:
    """The options of the whole service, task by task."""

    metrics_host: str
    metrics_port: int
    start: StartOptions
    pipeline: PipelineOptions
    stall_ms: int
    """A task that has work and takes no step for so long makes `/healthz` fail."""
    drain_budget_ms: int
    """From the stop request to the last acknowledgement."""
    instance_id: str
    dumps: DumpOptions
    """Of dumps that an operator asks for; the process itself writes those of crashes."""


async def supervise(  # noqa: PLR0913  # everything around the service, handed in by the process
    options: ServiceOptions,
    edges: Edges,
    signals: AsyncIterator[int],
    journal: Journal,
    *,
    arm_backstop: Callable[[], None],
    black_box: BlackBox,
) -> ExitCode:
    """Run from the first log line to the last one; the exit code.

    `signals` yields the stop requests; `arm_backstop` is called at the first one; `black_box` gets the
    sections of a crash dump. Raises ConfigError when the HTTP port is taken, and whatever crashes a
    task, in an exception group.
    """
    journal.service_starting(version=__version__)
    listeners = await open_listeners(options.metrics_host, options.metrics_port)
    stop = StopRequest(on_request=arm_backstop)
    processor = Processor(options, edges, stop, signals, listeners, journal, black_box)
    processor.describe()
    try:
        await run_rings(processor, stop, drain_budget_ms=options.drain_budget_ms)
    finally:
        await edges.aclose()
    return processor.code


class Processor:
    """The processor as the rings know it."""

    def __init__(  # noqa: PLR0913, PLR0917  # as `supervise`
        self,
        options: ServiceOptions,
        edges: Edges,
        stop: StopRequest,
        signals: AsyncIterator[int],
        listeners: Sequence[trio.SocketListener],
        journal: Journal,
        black_box: BlackBox,
    ) -> None:
        self.code = ExitCode.UNCAUGHT
        """How it ended, once it has."""
        self._options = options
        self._edges = edges
        self._stop = stop
        self._signals = signals
        self._listeners = listeners
        self._journal = journal
        self._black_box = black_box
        self._lifecycle = Lifecycle()
        self._tasks = ProgressTable()
        self._pipeline = Pipeline(options.pipeline, edges, journal=journal, tasks=self._tasks)
        self._identity = Identity()
        self._endpoints = Endpoints(journal, self._identity, self._tasks, stall_ms=options.stall_ms)
        self._levels = LevelSwitch(SERVICE, journal)
        self._responder: Responder | None = None
        self._ending = Ending(
            edges.stream,
            self._pipeline.in_flight,
            stop,
            journal,
            call_peers=self._call_peers,
            budget_ms=options.drain_budget_ms,
        )
        # The other half of `rings.Service`.
        self.start_guards = self._pipeline.start_guards
        self.start_stages = self._pipeline.start_stages
        self.start_intake = self._pipeline.start_intake
        self.close_intake = self._pipeline.close_intake
        self.abandon_stages = self._pipeline.abandon_stages
        self.reserve_ms = self._ending.reserve_ms
        self.release = self._ending.release
        self.release_cut = self._ending.release_cut

    def describe(self) -> None:
        """Register the sections of a crash dump."""
        pipeline = self._pipeline
        self._black_box.register(
            statistics=self._journal.snapshot,
            in_flight=lambda: sample_in_flight(pipeline.in_flight.ids, clocks.monotonic_ms()),
            device_states=lambda: sample_devices(pipeline.states),
            ledger=lambda: pipeline.in_flight.ledger,
        )

    async def start(self, services: trio.Nursery) -> bool:
        """Serve HTTP, connect and check; the probes run once both servers are there."""
        services.start_soon(self._stop.listen, self._signals)
        await services.start(serve, self._listeners, self._endpoints.sources)
        self._endpoints.start_soon(services)
        services.start_soon(self._levels.run)
        if self._edges.requests is not None:
            # Before the servers are there: who waits for them should be found.
            self._responder = self._responder_to(self._edges.requests)
            self._tasks.start_soon(services, "control", self._responder.run)
        code = await Start(self._options.start, self._edges, self._journal).run(self._stop)
        if code is None:
            self._start_probes(services)
            return True
        if code is ExitCode.CLEAN:
            self._ending.begin()
            self._ending.finish({})
        self._enter(Phase.STOPPED)
        self.code = code
        return False

    def _start_probes(self, services: trio.Nursery) -> None:
        stream, journal, start_soon = self._edges.stream, self._journal, self._tasks.start_soon
        start_soon(services, "lag_probe", probe_lag, stream, journal)
        start_soon(services, "keep_alive", keep_connections_alive, stream)
        start_soon(services, "postgres_probe", self._edges.probe.run, journal)

    async def _call_peers(self) -> None:
        if self._responder is not None:
            await self._responder.notify(CLAIM_NOW)

    def _responder_to(self, requests: SubscriptionOptions) -> Responder:
        pipeline = self._pipeline
        parts = Parts(
            journal=self._journal,
            identity=self._identity,
            devices=pipeline.devices,
            reclaim=pipeline.reclaim,
            levels=self._levels,
            black_box=self._black_box,
            dumps=self._options.dumps,
        )
        return Responder(
            requests,
            Answers(parts).carriers,
            instance_id=self._options.instance_id,
            journal=self._journal,
            backoff=self._options.pipeline.backoff,
        )

    def enter(self, phase: Phase) -> None:
        """Reading begins, or the drain."""
        self._enter(phase)
        if phase is Phase.RUNNING:
            self._journal.service_ready(metrics=address_of(self._listeners[0]))
        else:
            self._ending.begin()

    def finish(self, steps_ms: dict[str, float]) -> None:
        """All is released: write the last line. Raises LedgerImbalance."""
        self.code = self._ending.finish(steps_ms)
        self._enter(Phase.STOPPED)

    def _enter(self, phase: Phase) -> None:
        self._lifecycle.move(phase)
        self._journal.phase_entered(phase)
