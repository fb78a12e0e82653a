"""The whole service in one process, with fakes at its edges, and the signals that it is sent."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import trio

from processor.config import load_config
from processor.journal import SERVICE
from processor.journal.journal import Journal
from processor.service.assembly import build_of, service_options
from processor.service.edges import Edges
from processor.service.supervisor import supervise
from processor.watching.postgres_probe import PostgresProbe
from telemetry.chassis import clocks
from telemetry.chassis.crash.sections import BlackBox
from telemetry.chassis.logs import Log
from tests.support.batches import position
from tests.support.fakes.redis import FakeRedis, format_id
from tests.support.fakes.store import FakeStore
from tests.support.fakes.stream import FakeStream
from tests.support.fakes.table import FakeTable
from tests.support.stores import SpyStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from telemetry.chassis.exit_codes import ExitCode
    from tests.processor.conftest import Told

ENVIRONMENT = {
    "REDIS_URL": "redis://127.0.0.1",
    "POSTGRES_URL": "postgresql://processor@127.0.0.1/telemetry",
    "METRICS_HOST": "127.0.0.1",
    "METRICS_PORT": "0",
    "BATCH_SIZE": "10",
    "CONNECT_ATTEMPTS": "3",
    "DRAIN_BUDGET_MS": "4000",
}


class ServiceHarness:
    """A service with fakes at its edges, and the signals that it is sent."""

    def __init__(self) -> None:
        self.table = FakeTable()
        self.store = SpyStore(self.table)
        self.trials = SpyStore(self.table)
        self.stream = FakeStream(FakeRedis(clock_ms=clocks.unix_ms))
        self.armed = 0
        self._signals, self._receiver = trio.open_memory_channel[int](10)

    def publish(self, records: int, *, first_second: int = 0) -> None:
        for second in range(first_second, first_second + records):
            payload = json.dumps(position(second % 7, second))
            self.stream.redis.add({"codec": "8", "payload": payload})

    def add_malformed(self) -> str:
        return self.stream.redis.add({"codec": "8", "payload": "{"})

    async def leave_a_suspect(self) -> str:
        """An entry that a former process of this consumer has read again and again."""
        self.publish(1, first_second=10_000)
        former = FakeStream(self.stream.redis)
        await former.connect()
        await former.ensure_group()
        await former.read_new(1_000, 1)
        entry_id, entry = max(self.stream.redis.pending.items())
        entry.deliveries = 6
        return format_id(entry_id)

    def send(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._signals.send_nowait(number)

    @property
    def pending(self) -> int:
        return len(self.stream.redis.pending)

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
                    service_options(config),
                    Edges(
                        stream=self.stream,
                        stores=stores,
                        probe=PostgresProbe(FakeStore(self.table)),
                        trials=self.trials,
                    ),
                    self._receiver,
                    Journal(Log(SERVICE), build_of(config)),
                    arm_backstop=self._arm,
                    black_box=BlackBox(),
                )
        raise AssertionError("unreachable: supervise returned or raised")

    def _arm(self) -> None:
        self.armed += 1


def in_words(told: Told) -> list[str]:
    lines = [message for message, _ in told.lines() if not message.startswith("batch")]
    return [" ".join(line.split(" ")[:2]) for line in lines]


async def until(holds: Callable[[], object]) -> None:
    """Wait in virtual time."""
    while not holds():  # noqa: ASYNC110  # of many fakes, none of which has an event for it
        await trio.sleep(0.01)


async def nothing() -> None:
    """A script for a service that ends by itself."""
    await trio.lowlevel.checkpoint()
