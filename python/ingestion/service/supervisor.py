"""The service from its first log line to its last one: the tasks of tcp-ingestion in the chassis' rings.

    services   HTTP, requests, the list of devices, signals      live longest, cancelled last
    └ stages   listeners, conversations, publishers              run dry when nobody is let in any more

The inner ring is empty: a listener that is closed still has datagrams in hand, and a conversation its frame.

`telemetry/chassis/rings.py` opens the rings and decides what ends before what.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from ingestion.journal import SERVICE
from ingestion.journal.identity import Identity
from ingestion.journal.statistics import Load
from ingestion.service.ending import RESERVE_MS, Ending
from ingestion.service.endpoints import Endpoints
from ingestion.service.requests import Requests
from ingestion.service.starting import Start, StartOptions
from ingestion.sessions.datagrams import serve_datagram
from telemetry._codec import __version__
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.http import address_of, open_listeners, serve
from telemetry.chassis.lifecycle import Lifecycle, Phase
from telemetry.chassis.logs.switch import LevelSwitch
from telemetry.chassis.progress import ProgressTable
from telemetry.chassis.rings import run_rings
from telemetry.chassis.stopping import StopRequest

if TYPE_CHECKING:
    from ingestion.journal.journal import Journal
    from ingestion.service.rooms import Rooms
    from telemetry.chassis.crash.document import DumpOptions
    from telemetry.chassis.crash.sections import BlackBox
    from telemetry.chassis.redis.subscription import SubscriptionOptions

# A full collection walks every task, and five thousand connections are five thousand tasks. What there is before
# the first connection is never garbage; what connections leave behind is counted, and nearly all of it at once.
GC_THRESHOLDS = (50_000, 20, 100)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceOptions:
    """The options of the whole service, task by task."""

    metrics_host: str
    metrics_port: int
    start: StartOptions
    requests: SubscriptionOptions
    stall_ms: int
    """A task that has work and takes no step for so long makes `/healthz` fail."""
    drain_delay_ms: int
    """From the first stop signal to the stop request."""
    drain_budget_ms: int
    """From the stop request to the last answer."""
    instance_id: str
    dumps: DumpOptions
    """Of dumps that an operator asks for; the process itself writes those of crashes."""


async def supervise(  # noqa: PLR0913  # everything around the service, handed in by the process
    options: ServiceOptions,
    make_rooms: Callable[[], Rooms],
    signals: AsyncIterator[int],
    journal: Journal,
    *,
    arm_backstop: Callable[[], None],
    black_box: BlackBox,
) -> ExitCode:
    """Run from the first log line to the last one; the exit code.

    `signals` yields the stop requests; `arm_backstop` is called when the stop begins; `black_box` gets the sections
    of a crash dump. Raises ConfigError when a port is taken, and whatever crashes a task, in an exception group.
    """
    journal.service_starting(version=__version__)
    rooms = make_rooms()
    endpoints = await open_listeners(options.metrics_host, options.metrics_port)
    stop = StopRequest(on_request=arm_backstop, delay_ms=options.drain_delay_ms)
    ingestion = Ingestion(options, rooms, stop, signals, endpoints, journal, black_box)
    ingestion.describe()
    try:
        await run_rings(ingestion, stop, drain_budget_ms=options.drain_budget_ms)
    finally:
        await rooms.publishers.aclose()
    return ingestion.code


class Ingestion:
    """tcp-ingestion as the rings know it."""

    def __init__(  # noqa: PLR0913, PLR0917  # as `supervise`
        self,
        options: ServiceOptions,
        rooms: Rooms,
        stop: StopRequest,
        signals: AsyncIterator[int],
        endpoints: Sequence[trio.SocketListener],
        journal: Journal,
        black_box: BlackBox,
    ) -> None:
        self.code = ExitCode.UNCAUGHT
        """How it ended, once it has."""
        self._options = options
        self._rooms = rooms
        self._stop = stop
        self._signals = signals
        self._http = endpoints
        self._journal = journal
        self._black_box = black_box
        self._lifecycle = Lifecycle()
        self._tasks = ProgressTable()
        self._identity = Identity()
        self._endpoints = Endpoints(
            journal, rooms, self._identity, self._tasks, stall_ms=options.stall_ms
        )
        self._levels = LevelSwitch(SERVICE, journal)
        self._requests = Requests(
            options,
            rooms,
            journal,
            identity=self._identity,
            levels=self._levels,
            black_box=black_box,
        )
        self._ending = Ending(rooms.publishers, stop, journal)
        journal.measure(self._load)

    def describe(self) -> None:
        """Register the sections of a crash dump."""
        self._black_box.register(statistics=self._journal.snapshot, load=self._load)

    async def start(self, services: trio.Nursery) -> bool:
        """Serve HTTP, connect, open the listeners."""
        services.start_soon(self._stop.listen, self._signals)
        await services.start(serve, self._http, self._endpoints.sources)
        self._endpoints.start_soon(services)
        services.start_soon(self._levels.run)
        self._requests.start_soon(services, self._tasks)
        code = await Start(self._options.start, self._rooms, self._journal).run(self._stop)
        if code is None:
            self._tasks.start_soon(services, "devices", self._rooms.devices.refresh)
            services.start_soon(self._leave)
            return True
        if code is ExitCode.CLEAN:
            self._ending.begin()
            self._ending.finish({})
        self._move(Phase.STOPPED)
        self.code = code
        return False

    def start_guards(self, guards: trio.Nursery) -> None:
        """Nothing in flight needs to be guarded: the devices keep it."""

    def start_stages(self, stages: trio.Nursery) -> None:
        """The conversations, and behind them the publishers."""
        stages.start_soon(self._serve)
        self._rooms.publishers.start_soon(stages, self._tasks)

    def start_intake(self, intake: trio.Nursery) -> None:
        """The listeners end when they are closed, and the datagrams in hand after them: all are stages."""

    def close_intake(self) -> None:
        """Nobody is let in any more; the conversations end one by one."""
        self._rooms.listeners.close()
        self._rooms.house.close()

    def abandon_stages(self) -> None:
        """Nobody waits for a stage but other stages."""

    def reserve_ms(self) -> float:
        """The part of the budget that is kept for the last line."""
        return RESERVE_MS

    async def release(self) -> None:
        """Nothing is given back: what was not answered, the devices send again."""

    def release_cut(self) -> None:
        """As `release`."""

    def enter(self, phase: Phase) -> None:
        """Devices are served, or the drain begins."""
        self._move(phase)
        if phase is Phase.RUNNING:
            gc.collect()
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLDS)
            self._journal.ingestion_ready(
                addresses=self._rooms.listeners.addresses, metrics=address_of(self._http[0])
            )
        else:
            self._ending.begin()

    def finish(self, steps_ms: dict[str, float]) -> None:
        """All has ended: write the last line."""
        self.code = self._ending.finish(steps_ms)
        self._move(Phase.STOPPED)

    async def _serve(self) -> None:
        """Serve devices until the listeners are closed and the last frame in hand is answered."""
        rooms, tasks = self._rooms, self._tasks

        async def answer_to(data: bytes, address: str) -> bytes | None:
            return await serve_datagram(data, address, rooms.parts)

        async with trio.open_nursery() as serving:
            tasks.start_soon(serving, "conversations", rooms.house.run)
            await rooms.house.is_open.wait()
            rooms.listeners.start_soon(serving, tasks, rooms.house.start, answer_to)
        rooms.publishers.close()

    async def _leave(self) -> None:
        """From the announcement of a stop on the instance is not ready, and still accepts for a while."""
        await self._stop.announced.wait()
        if not self._stop.requested.is_set():
            self._move(Phase.LEAVING)
            self._journal.leaving(
                signal=self._stop.signal_name, delay_ms=self._options.drain_delay_ms
            )

    def _move(self, phase: Phase) -> None:
        self._lifecycle.move(phase)
        self._journal.phase_entered(phase)

    def _load(self) -> Load:
        house, depth = self._rooms.house, self._rooms.publishers.depth
        return Load(
            connections=self._rooms.listeners.connections,
            queue_records=depth.records,
            queue_bytes=depth.bytes,
            oldest_unanswered_s=house.oldest_unanswered_s,
        )
