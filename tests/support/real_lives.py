"""Whole lives on a real Redis, with the table in memory: what a server or the way to it does to the service."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from processor.edges.redis.stream import RedisPositionStream
from telemetry._codec import ReplyParser
from telemetry.chassis.config.redis_target import redis_target
from telemetry.chassis.exit_codes import ExitCode
from telemetry.chassis.redis.limits import RedisLimits
from tests.support.batches import position
from tests.support.service_harness import ServiceHarness
from tests.support.stream_contract import GROUP, names_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from redis import Redis

# Far beyond what any of it takes.
WAIT_S_MAX = 30.0
PROBE_S = 0.01
# Claims within a test's patience.
QUICK = {
    "BATCH_SIZE": "1000",
    "BATCH_BLOCK_MS": "100",
    "CLAIM_THRESHOLD_MS": "300",
    "CLAIM_INTERVAL_MS": "100",
    "CONNECT_BACKOFF_MAX_MS": "200",
    "CONNECT_ATTEMPTS": "100",
}


class RealStreamService(ServiceHarness):
    """A service on a real stream."""

    def __init__(self, url: str, name: str, *, limits: RedisLimits | None = None) -> None:
        super().__init__()
        self.name = name
        self.real = RedisPositionStream(
            redis_target(url),
            names_of(name, "processor-1"),
            instance_id="processor-1",
            limits=limits or RedisLimits(),
            new_parser=ReplyParser,
        )
        self.stream = self.real  # type: ignore[assignment]

    @property
    def rows(self) -> int:
        """Rows in the table."""
        return len(self.table.rows)


@asynccontextmanager
async def living(service: RealStreamService, **env: Any) -> AsyncIterator[None]:
    """Have a service live until the block ends, and end clean."""
    codes: list[ExitCode] = []
    stop = trio.Event()

    async def live() -> None:
        settings: dict[str, Any] = {**QUICK, **env}
        codes.append(await service.live(stop.wait, **settings))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(live)
        yield
        service.send()
        stop.set()
    assert codes == [ExitCode.CLEAN]


def publish(client: Redis, stream: str, records: int, *, first: int = 0, **changes: Any) -> None:
    """XADD of distinct positions, from number `first` on."""
    with client.pipeline(transaction=False) as pipeline:
        for number in range(first, first + records):
            payload = json.dumps(position(number % 10, number, **changes))
            pipeline.xadd(stream, {"codec": "8", "payload": payload})
        pipeline.execute()


def pending(client: Redis, stream: str) -> int:
    """The group's pending entries."""
    summary: Any = client.xpending(stream, GROUP)
    return int(summary["pending"])


async def until(holds: Callable[[], object], what: str) -> None:
    """Return as soon as `holds()` is true, which no server announces."""
    with trio.move_on_after(WAIT_S_MAX):
        while not holds():  # noqa: ASYNC110
            await trio.sleep(PROBE_S)
        return
    raise AssertionError(f"did not come true within {WAIT_S_MAX:.0f} s: {what}")
