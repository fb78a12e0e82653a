"""One life of one instance: the whole service under `supervise`, on the fakes of a shared simulation."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Any

import trio

from processor.core import small_batches
from processor.core.attempts import Fate
from processor.service import supervisor
from processor.service.assembly import service_options
from processor.service.edges import Edges
from processor.service.pipeline import Pipeline
from processor.watching.postgres_probe import PostgresProbe
from telemetry.chassis.crash.sections import BlackBox
from telemetry.chassis.logs import Log
from tests.simulation.checkpoints import current_life
from tests.simulation.processor.wire import Wire
from tests.support.fakes.store import FakeStore
from tests.support.journals import new_journal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from processor.config import Config
    from processor.core.in_flight import InFlight
    from telemetry._codec import Delivery
    from telemetry.chassis.exit_codes import ExitCode
    from tests.simulation.processor.simulation import Simulation


# The lines of many thousand lives: they are composed, as in the service, but nobody reads them.
SILENT = Log("simulation")
logging.getLogger("simulation").setLevel(logging.CRITICAL + 1)


class Life:
    """From the start of a process to its end, in whatever way it ends."""

    def __init__(self, simulation: Simulation, name: str, config: Config) -> None:
        self.name = name
        self.config = config
        self.asked_at: float | None = None
        self.insisted_at: float | None = None
        self.ended_at: float | None = None
        self.code: ExitCode | None = None
        self.crash: BaseException | None = None
        self.is_killed = False
        # Whether both servers answered without delay from the stop request to the end.
        self.drained_in_peace = False
        self.redis_answered = False
        self.ended = trio.Event()
        # Entries left pending under its name, neither refused nor released, although Redis answered.
        self.stranded: set[str] = set()
        # The answers that it got from Redis: ids that were delivered, lost or dead-lettered.
        self.read: set[str] = set()
        self.released: set[str] = set()
        self.acked: set[str] = set()
        self.dead_letters: set[str] = set()
        self.tried: set[str] = set()
        self._simulation = simulation
        self._scope = trio.CancelScope()
        self._wire = Wire(lambda: simulation.checkpoints.reach(self), self._hear)
        self._signals, self._receiver = trio.open_memory_channel[int](10)
        self._stream = simulation.edges.stream(simulation.redis, consumer=name, instance_id=name)
        self._stores: list[FakeStore] = []
        self._pipeline: Pipeline | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it has ended. Calls that it sent before may still take effect."""
        return self.ended.is_set()

    @property
    def in_flight(self) -> InFlight | None:
        """Its entries in flight; None before it was assembled."""
        return None if self._pipeline is None else self._pipeline.in_flight

    async def run(self) -> None:
        """Live until the process would end."""
        current_life.set(self)
        try:
            with self._scope:
                self.code = await supervisor.supervise(
                    service_options(self.config),
                    self._edges(),
                    self._receiver,
                    new_journal(SILENT),
                    arm_backstop=lambda: None,
                    black_box=BlackBox(),
                )
        except BaseException as error:  # noqa: BLE001  # whatever ends a process
            if not self.is_killed:
                self.crash = error
        if not self.is_killed:
            self._end()

    def stop(self) -> None:
        """Send SIGTERM, once more if it was sent before."""
        if self.has_ended:
            return
        if self.asked_at is None:
            self.asked_at = trio.current_time()
        elif self.insisted_at is None:
            self.insisted_at = trio.current_time()
        self._signals.send_nowait(signal.SIGTERM)

    def kill(self, *, arrives: bool) -> None:
        """End it as `kill -9` does. With `arrives`, calls that are under way still take effect."""
        if self.has_ended:
            return
        self.is_killed = True
        self._wire.cut(arrives=arrives)
        if not arrives:
            self._stream._connections.clear()
        self._scope.cancel()
        # The server sees that the connections are gone.
        self._simulation.table.sessions.difference_update(self._stores)
        self._end()

    def adopt(self, pipeline: Pipeline) -> None:
        """Remember the pipeline of this life."""
        self._pipeline = pipeline

    def _end(self) -> None:
        self.ended_at = trio.current_time()
        if self.asked_at is not None:
            self.drained_in_peace = self._simulation.has_been_well_since(self.asked_at)
            self.redis_answered = self._simulation.redis_has_been_well_since(self.asked_at)
            if self.redis_answered:
                self.stranded = self._simulation.stranded_of(self.name)
        self.ended.set()

    def _edges(self) -> Edges:
        wire, simulation = self._wire, self._simulation

        def delay() -> float:
            return simulation.postgres_delay_s

        def attached(store: FakeStore) -> FakeStore:
            self._stores.append(store)
            return wire.attach(store, delay)

        return Edges(
            stream=wire.attach(self._stream),
            stores=[
                attached(simulation.edges.store(simulation.table))
                for _ in range(self.config.writers)
            ],
            probe=PostgresProbe(attached(FakeStore(simulation.table))),
            trials=attached(simulation.edges.store(simulation.table)),
        )

    def _hear(self, name: str, arguments: tuple[Any, ...], answer: Any) -> None:
        match name:
            case "read_new":
                self.read.update(ids_of(answer))
            case "redeliver":
                self.read.update([*ids_of(answer.delivery), *answer.lost_ids])
            case "claim":
                self.read.update(answer.lost_ids)
                self._simulation.watch_claim(self, [entry.entry_id for entry in answer.entries])
            case "release":
                self.released.update(answer)
            case "ack":
                self.acked.update(arguments[0].piece(0, answer).entry_ids)
            case "record_failures":
                self._simulation.watch_failures([failure.entry_id for failure in arguments[0]])
                self.dead_letters.update(
                    failure.entry_id
                    for failure, recorded in zip(arguments[0], answer, strict=True)
                    if recorded.fate is Fate.DEAD_LETTERED
                )
            case "begin_trial":
                if answer.fate in {Fate.DEAD_LETTERED, Fate.LOST}:
                    self.read.add(arguments[0])
                (self.dead_letters if answer.fate is Fate.DEAD_LETTERED else self.tried).add(
                    arguments[0]
                )

    def holds(self, entry_ids: Sequence[str]) -> list[str]:
        """Those of the ids that it has in flight."""
        if self.in_flight is None or self.has_ended:
            return []
        return sorted(set(entry_ids).difference(self.in_flight.absent(entry_ids)))


def ids_of(delivery: Delivery) -> list[str]:
    """The ids that were delivered: records and refused entries."""
    refused = [rejection.entry_id for rejection in delivery.rejections]
    return [*delivery.batch.entry_ids, *refused]


class WatchedPipeline(Pipeline):
    """A pipeline that registers with its life, so that tests can see what is in flight."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if life := current_life.get():
            life.adopt(self)


# Batches have a few rows here: some of them go the way of large ones.
SEAMS = ((supervisor, "Pipeline", WatchedPipeline), (small_batches, "ROWS_MAX", 2))
