"""The tasks that carry records, and the channels between them, as the configuration sizes them."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Self

import trio

from processor.config import Config
from processor.core.batching import Batching
from processor.edges.ports import PositionStore
from processor.edges.retrying_stream import RetryingStream
from processor.journal.journal import Journal
from processor.reading.consumer import Consumer, ReadOptions
from processor.reading.intake import Intake
from processor.reading.pending_pass import ClaimOptions, PendingPass
from processor.reading.reclaimer import Reclaimer
from processor.reading.suspects import SuspectTrials, TrialSession
from processor.service.assembly import Edges
from processor.settling.acker import Acker
from processor.settling.failure_recorder import FailureRecorder, Verdicts
from processor.settling.in_flight import InFlight
from processor.settling.leases import renew_leases
from processor.settling.receipts import Receipt, Receipts
from processor.writing.newest_positions import NewestPositions
from processor.writing.rehydration import KnownDevices
from processor.writing.writer import Writer
from telemetry._codec import Batch, DeviceStates
from telemetry.chassis.backoff import BACKOFF_BASE_MS, Backoff

# Commits that wait for their acknowledgement; beyond them writers wait for Redis.
RECEIPTS_MAX = 8
# Lists of failures that wait to be recorded, each of one read or one batch.
FAILURES_MAX = 8


class Pipeline:
    """Made once a life. `stages` run until the pipeline is closed; `intake` feeds them until it is cancelled."""

    def __init__(
        self,
        config: Config,
        edges: Edges,
        *,
        journal: Journal,
    ) -> None:
        self._config = config
        self._edges = edges
        self._journal = journal
        self._redis = RetryingStream(edges.stream, journal, self._backoff)
        self.in_flight = InFlight(journal)
        self.states = DeviceStates(config.device_state_lru_cap)
        self._positions = NewestPositions(self.states)
        receipts, self._receipts_out = trio.open_memory_channel[Receipt](RECEIPTS_MAX)
        self._receipts = Receipts(receipts, self.in_flight)
        self._failures, self._failures_out = trio.open_memory_channel[Verdicts](FAILURES_MAX)
        self._inlets = [
            trio.open_memory_channel[Batch](self._reads_ahead_max) for _ in edges.stores
        ]
        # A suspect may be tried on a writer's session between two of its batches.
        self._turns = [trio.Lock() for _ in edges.stores]
        self._intake = Intake(
            [inlet for inlet, _ in self._inlets],
            self._failures,
            in_flight=self.in_flight,
            journal=journal,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the ends that feed the stages: they run dry."""
        self._intake.close()
        self._receipts.close()

    def abandon_intake(self) -> None:
        """Have nobody wait for a stage any longer: to cut a writer takes its time where PostgreSQL hangs."""
        self._intake.abandon()

    def start_leases(self, leases: trio.Nursery) -> None:
        """Renew the leases of what is in flight, which has to go on while the stages run dry."""
        threshold_ms = self._config.claim_threshold_ms
        leases.start_soon(renew_leases, self._redis, self.in_flight, threshold_ms, self._journal)

    def start_stages(self, stages: trio.Nursery) -> None:
        """The writers, the acker and the recorder of failures."""
        config, in_flight = self._config, self.in_flight
        stores = self._edges.stores
        for store, (_, outlet), turn in zip(stores, self._inlets, self._turns, strict=True):
            writer = Writer(
                store,
                outlet,
                self._receipts.clone(),
                self._failures.clone(),
                batching=self._batching(),
                devices=self._devices(store),
                turn=turn,
                journal=self._journal,
                backoff=self._backoff,
            )
            stages.start_soon(writer.run)
        stages.start_soon(Acker(self._redis, self._receipts_out, in_flight=in_flight).run)
        failure_recorder = FailureRecorder(
            self._redis,
            self._failures_out,
            attempts_max=config.dlq_max_attempts,
            in_flight=in_flight,
            journal=self._journal,
        )
        stages.start_soon(failure_recorder.run)

    def start_intake(self, intake: trio.Nursery) -> None:
        """The consumer and the reclaimer."""
        config = self._config
        redelivering = self._redelivering()
        consumer = Consumer(
            self._redis,
            self._intake,
            redelivering,
            ReadOptions(count=config.batch_size, block_ms=config.batch_block_ms),
            journal=self._journal,
            backoff=self._backoff,
        )
        reclaimer = Reclaimer(
            self._redis,
            redelivering,
            interval_ms=config.claim_interval_ms,
            journal=self._journal,
            backoff=self._backoff,
        )
        intake.start_soon(consumer.run)
        intake.start_soon(reclaimer.run)

    def _redelivering(self) -> PendingPass:
        config, edges = self._config, self._edges
        trials = SuspectTrials(
            self._redis,
            TrialSession(edges.trials, self._devices(edges.trials)),
            TrialSession(edges.stores[0], self._devices(edges.stores[0]), self._turns[0]),
            self._intake,
            self._receipts,
            attempts_max=config.dlq_max_attempts,
            in_flight=self.in_flight,
            journal=self._journal,
            backoff=self._backoff,
        )
        return PendingPass(
            edges.stream,
            self._intake,
            trials,
            ClaimOptions(count=config.batch_size, idle_ms=config.claim_threshold_ms),
            in_flight=self.in_flight,
            journal=self._journal,
        )

    def _devices(self, store: PositionStore) -> KnownDevices:
        return KnownDevices(store, self._positions, journal=self._journal)

    @property
    def _reads_ahead_max(self) -> int:
        """Reads that wait for a busy writer: under load they fill its next batch, and no more."""
        return math.ceil(self._config.write_batch_size / self._config.batch_size)

    @property
    def _backoff(self) -> Backoff:
        return Backoff(base_ms=BACKOFF_BASE_MS, max_ms=self._config.connect_backoff_max_ms)

    def _batching(self) -> Batching[Batch]:
        config = self._config
        return Batching(rows_max=config.write_batch_size, linger_s=config.write_linger_ms / 1000)
