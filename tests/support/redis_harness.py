"""One instance's side towards RetryingStream, on a stream in memory, with the ends that its stages would hold."""

from __future__ import annotations

import json
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
from processor.writing.newest_positions import NewestPositions
from processor.writing.rehydration import KnownDevices
from telemetry._codec import Batch, DeviceStates
from telemetry.chassis import clocks
from tests.support.batches import position
from tests.support.fakes.redis import FakePending, FakeRedis, parse_id
from tests.support.fakes.stream import FakeStream
from tests.support.stores import SpyStore

if TYPE_CHECKING:
    from processor.core.attempts import Failure
    from processor.core.in_flight import InFlight
    from processor.journal.journal import Journal
    from telemetry._codec import Delivery
    from telemetry.chassis.backoff import Backoff

# Virtual seconds: beyond them it will never come.
WAIT_S_MAX = 3_600
IDLE_MS = 60_000
ATTEMPTS_MAX = 3
CAPACITY = 100


class RedisHarness:
    """Everything from the stream to the channels of the stages; tests stand where the stages do."""

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
        self.turn = trio.Lock()
        self._backoff = backoff
        inlets = [trio.open_memory_channel[Batch](capacity) for _ in range(writers)]
        self.outlets = [outlet for _, outlet in inlets]
        failures, self.failures = trio.open_memory_channel[FailureReport](CAPACITY)
        receipts, self.receipts = trio.open_memory_channel[Receipt](CAPACITY)
        self.states = DeviceStates(CAPACITY)
        self.intake = Intake(
            [inlet for inlet, _ in inlets],
            failures,
            in_flight=in_flight,
            journal=journal,
        )
        self.trials = self._trials(Receipts(receipts, in_flight))
        self.redelivering = PendingPass(
            self.stream,
            self.intake,
            self.trials,
            ClaimOptions(count=count, idle_ms=IDLE_MS),
            in_flight=in_flight,
            journal=journal,
        )

    def _trials(self, receipts: Receipts) -> SuspectTrials:
        positions = NewestPositions(self.states)

        def session(store: SpyStore, turn: trio.Lock) -> TrialSession:
            return TrialSession(store, KnownDevices(store, positions, journal=self.journal), turn)

        return SuspectTrials(
            self.redis,
            session(self.store, trio.Lock()),
            session(self.writers, self.turn),
            self.intake,
            receipts,
            attempts_max=ATTEMPTS_MAX,
            in_flight=self.in_flight,
            journal=self.journal,
            backoff=self._backoff,
        )

    async def open(self) -> None:
        """Connect, and create the group."""
        await self.stream.connect()
        await self.stream.ensure_group()

    def consumer(self) -> Consumer:
        options = ReadOptions(count=5, block_ms=1_000)
        return Consumer(
            self.redis,
            self.intake,
            self.redelivering,
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
        """Have everything new delivered to this consumer, as a former life had."""
        return await self.stream.read_new(1_000, 1)

    async def receive(self) -> list[str]:
        """The ids of the next batch that a writer gets; they stay in flight."""
        with trio.fail_after(WAIT_S_MAX):
            return in_order((await self.outlets[0].receive()).entry_ids)

    def handed_over(self) -> list[list[str]]:
        """The ids of all batches that wait for the first writer."""
        return [in_order(batch.entry_ids) for batch in waiting(self.outlets[0])]

    def taken(self) -> list[str]:
        """The ids of all records that wait for the first writer."""
        return [entry_id for batch in self.handed_over() for entry_id in batch]

    def sent_failures(self) -> list[FailureReport]:
        """What waits to be recorded."""
        return waiting(self.failures)

    def failed(self) -> list[Failure]:
        """The failures that wait to be recorded."""
        return [each for sent in self.sent_failures() if isinstance(sent, list) for each in sent]

    def pending_entry(self, entry_id: str) -> FakePending:
        return self.server.pending[parse_id(entry_id)]

    def suspect(self, entry_id: str) -> None:
        """It was delivered again and again without an answer."""
        self.pending_entry(entry_id).deliveries = 6

    def failures_of(self, entry_id: str) -> int:
        """Recorded failures."""
        recorded = self.server.attempts.get(entry_id)
        return 0 if recorded is None else Attempts.parse(recorded).failures

    def record(self, entry_id: str, failures: int, code: str = "bad_json") -> None:
        """Have so many failures recorded just now."""
        self.server.attempts[entry_id] = attempts_json(failures, clocks.unix_ms(), code)

    @property
    def unaccounted(self) -> int:
        """Entries read that are neither in flight nor in one class of the ledger."""
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
    """As in the stream: a batch is sorted by device and time."""
    return sorted(entry_ids, key=parse_id)


def waiting(channel: trio.MemoryReceiveChannel[Any]) -> list[Any]:
    """Everything that is in a channel now."""
    return [channel.receive_nowait() for _ in range(channel.statistics().current_buffer_used)]
