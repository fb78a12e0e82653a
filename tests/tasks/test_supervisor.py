"""The whole life in one process: the three rings with fakes at their edges, under a virtual clock."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest
import trio

from processor.assembly import Edges
from processor.config import load_config
from processor.edges.fakes.store import FakeStore, FakeTable
from processor.edges.fakes.stream import FakeStream
from processor.errors import RedisUnavailable
from processor.exit_codes import ExitCode
from processor.logs import Log
from processor.supervisor import supervise
from tests.edges.batches import position
from tests.tasks.stores import SpyStore, keys_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock

    from processor._codec import Batch
    from tests.tasks.conftest import Told

ENVIRONMENT = {
    "REDIS_URL": "redis://127.0.0.1",
    "POSTGRES_URL": "postgresql://processor@127.0.0.1/telemetry",
    "METRICS_HOST": "127.0.0.1",
    "METRICS_PORT": "0",
    "BATCH_SIZE": "10",
    "CONNECT_ATTEMPTS": "3",
    "DRAIN_BUDGET_MS": "4000",
}


class Stage:
    """A service with fakes at its edges, and the signals that it is sent."""

    def __init__(self) -> None:
        self.table = FakeTable()
        self.store = SpyStore(self.table)
        self.stream = FakeStream()
        self.armed = 0
        self._signals, self._receiver = trio.open_memory_channel[int](10)

    def publish(self, records: int, *, first_second: int = 0) -> None:
        for second in range(first_second, first_second + records):
            payload = json.dumps(position(second % 7, second))
            self.stream.redis.add({"codec": "8", "payload": payload})

    def send(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._signals.send_nowait(number)

    @property
    def pending(self) -> int:
        assert self.stream.redis.group is not None
        return len(self.stream.redis.group.pending)

    async def live(
        self, script: Callable[[], Awaitable[None]], *, writers: int = 1, **env: str
    ) -> ExitCode:
        """Live while `script` plays; the exit code."""
        config = load_config({**ENVIRONMENT, **env})
        stores = [self.store, *(SpyStore(self.table) for _ in range(writers - 1))]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(script)
            with trio.fail_after(3_600):
                return await supervise(
                    config,
                    Edges(stream=self.stream, stores=stores, probe=FakeStore(self.table)),
                    self._receiver,
                    Log(),
                    arm_backstop=self._arm,
                )
        raise AssertionError("unreachable: supervise returned or raised")

    def _arm(self) -> None:
        self.armed += 1


@pytest.fixture
def stage() -> Stage:
    return Stage()


def in_words(told: Told) -> list[str]:
    lines = [message for message, _ in told.lines() if not message.startswith("batch")]
    return [" ".join(line.split(" ")[:2]) for line in lines]


async def until(holds: Callable[[], object]) -> None:
    """Wait in virtual time."""
    while not holds():  # noqa: ASYNC110  # of many fakes, none of which has an event for it
        await trio.sleep(0.01)


@pytest.mark.parametrize("writers", [1, 3])
async def test_a_life_reads_writes_acknowledges_and_drains(
    clock: MockClock, stage: Stage, told: Told, writers: int
) -> None:
    stage.publish(35)

    async def script() -> None:
        await until(lambda: len(stage.table.rows) == 35)
        stage.publish(35, first_second=100)
        stage.send()

    assert await stage.live(script, writers=writers) is ExitCode.CLEAN
    [ledger] = [fields["ledger"] for fields in told.fields("shutdown: clean exit")]
    assert ledger["read"] == ledger["acked"] == len(stage.table.rows)
    assert ledger["left_pending"] == stage.pending == 0
    assert in_words(told) == [
        "processor starting",
        "Postgres connected",
        "Redis connected",
        "consumer started",
        "processor ready",
        "shutdown: starting",
        "shutdown: clean",
    ]
    assert stage.armed == 1


async def test_the_drain_ends_at_its_budget_and_says_what_is_left(
    clock: MockClock, stage: Stage, told: Told
) -> None:
    stage.publish(7)
    stage.table.answers = trio.Event()
    asked = 0.0

    async def script() -> None:
        nonlocal asked
        await until(lambda: stage.store.writes)
        asked = trio.current_time()
        stage.send()

    assert await stage.live(script) is ExitCode.TIMED_OUT
    assert trio.current_time() - asked == pytest.approx(4.0)
    [line] = told.fields("shutdown: timed out")
    assert line == {"released": 0, "left": 7}
    assert stage.pending == 7


async def test_a_second_signal_ends_the_drain_at_once(clock: MockClock, stage: Stage) -> None:
    stage.publish(7)
    stage.table.answers = trio.Event()
    asked = 0.0

    async def script() -> None:
        nonlocal asked
        await until(lambda: stage.store.writes)
        asked = trio.current_time()
        stage.send()
        await trio.sleep(1)
        stage.send(signal.SIGINT)

    assert await stage.live(script) is ExitCode.TIMED_OUT
    assert trio.current_time() - asked == pytest.approx(1.0)
    assert stage.armed == 1


async def test_a_drain_waits_for_acknowledgements_too(
    clock: MockClock, stage: Stage, told: Told
) -> None:
    stage.publish(7)

    def redis_leaves() -> None:
        stage.stream.redis.go_away()

    stage.store.before_write = redis_leaves

    async def script() -> None:
        await until(lambda: stage.table.rows)
        stage.send()
        await trio.sleep(2)
        stage.stream.redis.come_back()

    assert await stage.live(script, CONNECT_BACKOFF_MAX_MS="100") is ExitCode.CLEAN
    assert stage.pending == 0
    [ledger] = [fields["ledger"] for fields in told.fields("shutdown: clean exit")]
    assert ledger == {"read": 7, "acked": 7, "lost": 0, "left_pending": 0}


async def test_a_stop_before_ready_is_clean(clock: MockClock, stage: Stage, told: Told) -> None:
    stage.table.reachable = False

    async def script() -> None:
        await until(lambda: told.lines("Postgres unreachable"))
        stage.send()

    assert await stage.live(script, CONNECT_ATTEMPTS="1000") is ExitCode.CLEAN
    assert in_words(told)[-2:] == ["shutdown: starting", "shutdown: clean"]
    assert not told.lines("processor ready")


async def nothing() -> None:
    await trio.lowlevel.checkpoint()


async def test_a_server_that_stays_away_ends_the_start(
    clock: MockClock, stage: Stage, told: Told
) -> None:
    stage.stream.redis.reachable = False
    assert await stage.live(nothing) is ExitCode.UNREACHABLE
    assert in_words(told)[-3:] == ["Redis unreachable", "Redis unreachable", "cannot start:"]


async def test_another_schema_ends_the_start(clock: MockClock, stage: Stage, told: Told) -> None:
    stage.table.differences = ("column speed (real) is missing",)
    assert await stage.live(nothing) is ExitCode.SCHEMA
    [line] = told.fields("cannot start:")
    assert line["differences"] == ["column speed (real) is missing"]


@pytest.mark.parametrize("place", ["writer", "acker", "consumer", "probe"])
async def test_a_crash_anywhere_unwinds_everything_and_comes_out(
    clock: MockClock, stage: Stage, place: str
) -> None:
    async def crash(*_: object) -> int:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError(place)

    method = {"writer": "copy_direct", "acker": "ack", "consumer": "read_new", "probe": "lag"}
    setattr(stage.store if place == "writer" else stage.stream, method[place], crash)
    stage.publish(7)
    with pytest.raises(BaseExceptionGroup) as caught:
        await stage.live(nothing)
    assert caught.group_contains(ZeroDivisionError, match=place)
    # Every edge was closed on the way out.
    with pytest.raises(RedisUnavailable, match="not connected"):
        await FakeStream.lag(stage.stream)


class AckBeforeCommitError(AssertionError):
    """An entry was acknowledged whose row is not in the table."""


class Witness(FakeStream):
    """A stream that looks into the table at each acknowledgement."""

    def __init__(self, table: FakeTable) -> None:
        super().__init__()
        self._table = table

    async def ack(self, batch: Batch) -> int:
        if not keys_of(batch) <= self._table.rows.keys():
            raise AckBeforeCommitError
        return await super().ack(batch)


class HastyStore(SpyStore):
    """A store that says it has committed, and commits later, or never."""

    async def copy_direct(self, batch: Batch) -> int:
        await trio.lowlevel.checkpoint()
        return batch.rows


async def test_every_acknowledged_entry_is_in_the_table_whatever_fails(
    clock: MockClock, stage: Stage
) -> None:
    stage.stream = Witness(stage.table)
    stage.publish(200)
    stage.store.failures += [
        stage.store.error("connection lost", usable=False),
        stage.store.error("deadlock detected", sqlstate="40P01"),
    ]
    stage.stream.ack_failures.append(stage.stream.unavailable())

    async def script() -> None:
        await until(lambda: len(stage.table.rows) == 200)
        stage.send()

    assert await stage.live(script) is ExitCode.CLEAN
    assert stage.pending == 0


async def test_the_witness_notices_an_acknowledgement_before_the_commit(
    clock: MockClock, stage: Stage
) -> None:
    stage.stream = Witness(stage.table)
    stage.store = HastyStore(stage.table)
    stage.publish(1)
    with pytest.raises(BaseExceptionGroup) as caught:
        await stage.live(nothing)
    assert caught.group_contains(AckBeforeCommitError)
