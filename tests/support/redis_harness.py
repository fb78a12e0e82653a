"""The reading side of one instance, on a stream in memory, with the channel ends that its stages would hold."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

import trio

from processor.core.attempts import Attempts
from processor.edges.retrying_stream import RetryingStream
from processor.reading.consumer import Consumer, ReadOptions
from processor.reading.intake import Intake
from processor.reading.pending_pass import ClaimOptions, PendingPass
from processor.reading.suspects import SuspectTrials, TrialSession
from processor.settling.failure_recorder import FailureReport
from processor.settling.receipts import Receipt, Receipts
from processor.writing.device_states import KnownDevices, NewestPositions
from processor.writing.inlet import Inlet
from telemetry._codec import Batch, DeviceStates
from telemetry.chassis import clocks
from telemetry.chassis.lock import Lock
from telemetry.chassis.nudge import Nudge
from tests.support.batches import batch_of, position
from tests.support.fakes.redis import FakePending, FakeRedis, parse_id
from tests.support.fakes.stream import FakeStream
from tests.support.stores import SpyStore

if TYPE_CHECKING:
    from processor.core.attempts import Failure
    from processor.core.in_flight import InFlight
    from processor.journal.journal import Journal
    from telemetry._codec import Delivery
    from telemetry.chassis.backoff import Backoff

# Virtual seconds: what has not come by then never will.
WAIT_S_MAX = 3_600
IDLE_MS = 60_000
ATTEMPTS_MAX = 3
CAPACITY = 100


class RedisHarness:
    """Everything from the stream to the channels of the stages; tests take the place of the stages."""

    def __init__(
        self,
        in_flight: InFlight,
        journal: Journal,
        backoff: Backoff,
        *,
        writers: int = 1,
        capacity: int = CAPACITY,
        count: int = 5,
    ) -> None:
        self.server = FakeRedis(clock_ms=clocks.unix_ms)
        self.stream = FakeStream(self.server)
        self.in_flight = in_flight
        self.journal = journal
        self.redis = RetryingStream(self.stream, journal, backoff)
        self.store = SpyStore()
        self.writers = SpyStore(self.store.table)
        self.turn = Lock()
        self.interval_ms = 0
        self._backoff = backoff
        self.inlets = [Inlet(rows_max=1_000, entries_max=capacity) for _ in range(writers)]
        self._received: deque[Batch] = deque()
        self._filler: Batch | None = None
        failures, self.failures = trio.open_memory_channel[FailureReport](CAPACITY)
        receipts, self.receipts = trio.open_memory_channel[Receipt](CAPACITY)
        self.states = DeviceStates(CAPACITY)
        self.intake = Intake(
            self.inlets,
            failures,
            in_flight=in_flight,
            journal=journal,
        )
        self.suspect_trials = self._suspect_trials(Receipts(receipts, in_flight, Nudge()))
        self.pending_pass = PendingPass(
            self.stream,
            self.intake,
            self.suspect_trials,
            ClaimOptions(count=count, idle_ms=IDLE_MS),
            in_flight=in_flight,
            journal=journal,
        )

    def _suspect_trials(self, receipts: Receipts) -> SuspectTrials:
        positions = NewestPositions(self.states)

        def session(store: SpyStore, turn: Lock) -> TrialSession:
            return TrialSession(store, KnownDevices(store, positions, journal=self.journal), turn)

        return SuspectTrials(
            self.redis,
            session(self.store, Lock()),
            session(self.writers, self.turn),
            self.intake,
            receipts,
            attempts_max=ATTEMPTS_MAX,
            in_flight=self.in_flight,
            journal=self.journal,
            backoff=self._backoff,
        )

    async def keep_busy(self) -> None:
        """Have the first writer's inlet full, until something is received from it."""
        self._filler = batch_of([position(99, 0)])
        await self.inlets[0].put(self._filler)

    async def open(self) -> None:
        """Connect, and create the group."""
        await self.stream.connect()
        await self.stream.ensure_group()

    def consumer(self) -> Consumer:
        options = ReadOptions(count=5, block_ms=1_000, interval_ms=self.interval_ms)
        return Consumer(
            self.redis,
            self.intake,
            self.pending_pass,
            options,
            journal=self.journal,
            backoff=self._backoff,
        )

    async def peer(self, name: str = "processor-2") -> FakeStream:
        """Another consumer of the group."""
        stream = FakeStream(self.server, consumer=name, instance_id=name)
        await stream.connect()
        return stream

    def publish(self, records: int, *, device: int = 1, first_second: int = 0) -> list[str]:
        return [self.add(position(device, first_second + n)) for n in range(records)]

    def add(self, value: object) -> str:
        return self.server.add({"codec": "8", "payload": json.dumps(value)})

    def add_malformed(self) -> str:
        return self.server.add({"codec": "8", "payload": "{"})

    async def read(self) -> Delivery:
        """Have everything new delivered to this consumer, as a former life would."""
        return await self.stream.read_new(1_000, 1)

    async def receive(self) -> list[str]:
        """The ids of the next batch that a writer gets; they stay in flight."""
        with trio.fail_after(WAIT_S_MAX):
            while not self._received:
                self._receive(await self.inlets[0].take())
        return in_order(self._received.popleft().entry_ids)

    def admitted(self) -> list[list[str]]:
        """The ids of all batches that wait for the first writer."""
        self._receive(self.inlets[0].take_nowait())
        waiting, self._received = self._received, deque()
        return [in_order(batch.entry_ids) for batch in waiting]

    def _receive(self, batches: list[Batch]) -> None:
        self._received += [batch for batch in batches if batch is not self._filler]

    def taken(self) -> list[str]:
        """The ids of all records that wait for the first writer."""
        return [entry_id for batch in self.admitted() for entry_id in batch]

    def sent_reports(self) -> list[FailureReport]:
        """The reports that wait to be recorded."""
        return waiting(self.failures)

    def failed(self) -> list[Failure]:
        """The failures that wait to be recorded."""
        return [each for sent in self.sent_reports() if isinstance(sent, list) for each in sent]

    def pending_entry(self, entry_id: str) -> FakePending:
        return self.server.pending[parse_id(entry_id)]

    def suspect(self, entry_id: str) -> None:
        """Have it delivered so often without an answer that it is a suspect."""
        self.pending_entry(entry_id).deliveries = 6

    def failures_of(self, entry_id: str) -> int:
        """Recorded failures."""
        recorded = self.server.attempts.get(entry_id)
        return 0 if recorded is None else Attempts.parse(recorded).failures

    def record(self, entry_id: str, failures: int, code: str = "bad_json") -> None:
        """Have this number of failures recorded, the last one just now."""
        self.server.attempts[entry_id] = attempts_json(failures, clocks.unix_ms(), code)

    @property
    def unaccounted(self) -> int:
        """Entries read that are neither in flight nor counted in the ledger."""
        ledger = self.in_flight.ledger
        return ledger.unaccounted - len(self.in_flight)


def attempts_json(failures: int, failed_at_ms: int, code: str) -> str:
    value: dict[str, Any] = {
        "n": failures,
        "first_failed_at": failed_at_ms,
        "last_failed_at": failed_at_ms,
        "code": code,
    }
    return json.dumps(value)


def in_order(entry_ids: list[str]) -> list[str]:
    """Ids in the order of the stream: a batch is sorted by device and time."""
    return sorted(entry_ids, key=parse_id)


def waiting(channel: trio.MemoryReceiveChannel[Any]) -> list[Any]:
    """Take everything that is in a channel now."""
    return [channel.receive_nowait() for _ in range(channel.statistics().current_buffer_used)]
