"""The tasks that carry records, and the channels between them, as the configuration sizes them."""

from __future__ import annotations

from dataclasses import dataclass

import trio

from processor.answering.devices import DeviceAnswers, WriterDevices
from processor.core.in_flight import InFlight
from processor.edges.ports import PositionStore
from processor.edges.retrying_stream import RetryingStream
from processor.journal.journal import Journal
from processor.reading.consumer import Consumer, ReadOptions
from processor.reading.intake import Intake
from processor.reading.pending_pass import ClaimOptions, PendingPass
from processor.reading.reclaimer import Reclaimer
from processor.reading.suspects import SuspectTrials, TrialSession
from processor.service.edges import Edges
from processor.settling.acker import Acker
from processor.settling.failure_recorder import FailureRecorder, FailureReport
from processor.settling.leases import renew_leases
from processor.settling.receipts import Receipt, Receipts
from processor.writing.device_states import KnownDevices, NewestPositions
from processor.writing.inlet import Inlet
from processor.writing.writer import Writer
from telemetry._codec import DeviceStates
from telemetry.chassis import clocks
from telemetry.chassis.backoff import Backoff
from telemetry.chassis.lock import Lock
from telemetry.chassis.nudge import Nudge
from telemetry.chassis.progress import ProgressTable

# Commits that gather for their acknowledgement; with more of them it is sent at once, and writers wait for Redis.
RECEIPTS_MAX = 8
# Lists of failures that wait to be recorded, each of one read or one batch.
FAILURES_MAX = 8


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How much one COPY takes at most."""

    rows_max: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineOptions:
    """How much the tasks take at once, how often they look, and when they give up."""

    read: ReadOptions
    claim: ClaimOptions
    claim_interval_ms: int
    write: WriteOptions
    attempts_max: int
    """Failures of one record that make it a dead letter."""
    devices_max: int
    """Device states in memory."""
    backoff: Backoff


class Pipeline:
    """Made once for each process. Its stages run until the intake that feeds them is closed."""

    def __init__(
        self,
        options: PipelineOptions,
        edges: Edges,
        *,
        journal: Journal,
        tasks: ProgressTable,
    ) -> None:
        self._options = options
        self._tasks = tasks
        self._edges = edges
        self._journal = journal
        self._redis = RetryingStream(edges.stream, journal, options.backoff)
        self.in_flight = InFlight(
            clock=clocks.monotonic_ms,
            on_acked=journal.records_acked,
        )
        journal.follow_in_flight(self.in_flight)
        self.states = DeviceStates(options.devices_max)
        self._positions = NewestPositions(self.states)
        receipts, self._receipts_out = trio.open_memory_channel[Receipt](RECEIPTS_MAX)
        self._acks_due = Nudge()
        self._receipts = Receipts(receipts, self.in_flight, self._acks_due)
        self._failures, self._failures_out = trio.open_memory_channel[FailureReport](FAILURES_MAX)
        rows_max = options.write.rows_max
        # What waits for a busy writer fills its next batch, and no more.
        self._inlets = [Inlet(rows_max=rows_max, entries_max=rows_max) for _ in edges.stores]
        # Between two batches of a writer, a suspect may be tried on its session, and a device restored.
        self._writers = [WriterDevices(self._devices(store), Lock()) for store in edges.stores]
        self.devices = DeviceAnswers(self.states, self._writers)
        self.reclaim = Nudge()
        self._intake = Intake(
            self._inlets,
            self._failures,
            in_flight=self.in_flight,
            journal=journal,
        )

    def close_intake(self) -> None:
        """Close the ends that feed the stages: they run dry."""
        self._intake.close()
        self._receipts.close()

    def abandon_stages(self) -> None:
        """Let nobody wait for a stage any longer: where PostgreSQL hangs, a writer is slow to cut."""
        self._intake.abandon()

    def start_guards(self, guards: trio.Nursery) -> None:
        """The renewal of the leases of what is in flight, which goes on while the stages run dry."""
        threshold_ms = self._options.claim.idle_ms
        leases = (self._redis, self.in_flight, threshold_ms, self._journal)
        self._tasks.start_soon(guards, "leases", renew_leases, *leases)

    def start_stages(self, stages: trio.Nursery) -> None:
        """The writers, the acker and the recorder of failures."""
        options, in_flight = self._options, self.in_flight
        ends = zip(self._edges.stores, self._inlets, self._writers, strict=True)
        for number, (store, inlet, its) in enumerate(ends, 1):
            writer = Writer(
                store,
                inlet,
                self._receipts.clone(),
                self._failures.clone(),
                devices=its.known,
                turn=its.turn,
                journal=self._journal,
                backoff=options.backoff,
            )
            self._tasks.start_soon(stages, f"writer-{number}", writer.run)
        acker = Acker(self._redis, self._receipts_out, self._acks_due, in_flight=in_flight)
        self._tasks.start_soon(stages, "acker", acker.run)
        failure_recorder = FailureRecorder(
            self._redis,
            self._failures_out,
            attempts_max=options.attempts_max,
            in_flight=in_flight,
            journal=self._journal,
        )
        self._tasks.start_soon(stages, "failure_recorder", failure_recorder.run)

    def start_intake(self, intake: trio.Nursery) -> None:
        """The consumer and the reclaimer."""
        options = self._options
        pending_pass = self._pending_pass()
        consumer = Consumer(
            self._redis,
            self._intake,
            pending_pass,
            options.read,
            journal=self._journal,
            backoff=options.backoff,
        )
        reclaimer = Reclaimer(
            self._redis,
            pending_pass,
            interval_ms=options.claim_interval_ms,
            nudge=self.reclaim,
            journal=self._journal,
            backoff=options.backoff,
        )
        self._tasks.start_soon(intake, "consumer", consumer.run)
        self._tasks.start_soon(intake, "reclaimer", reclaimer.run)

    def _pending_pass(self) -> PendingPass:
        edges = self._edges
        trials = SuspectTrials(
            self._redis,
            TrialSession(edges.trials, self._devices(edges.trials)),
            TrialSession(edges.stores[0], self._writers[0].known, self._writers[0].turn),
            self._intake,
            self._receipts,
            attempts_max=self._options.attempts_max,
            in_flight=self.in_flight,
            journal=self._journal,
            backoff=self._options.backoff,
        )
        return PendingPass(
            edges.stream,
            self._intake,
            trials,
            self._options.claim,
            in_flight=self.in_flight,
            journal=self._journal,
        )

    def _devices(self, store: PositionStore) -> KnownDevices:
        return KnownDevices(store, self._positions, journal=self._journal)
