"""Publishers at work for a test, devices that wait for their answers, and what is in the stream."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trio

from ingestion.errors import PublishOverflowError, RedisUnavailableError
from ingestion.journal.statistics import REDIS
from ingestion.publishing.options import PublishOptions
from ingestion.publishing.publishers import Publishers
from telemetry.chassis import clocks
from telemetry.chassis.backoff import Backoff
from telemetry.chassis.config.redis_target import redis_target
from telemetry.chassis.progress import ProgressTable
from telemetry.chassis.redis.cluster.homes import Homes
from telemetry.chassis.redis.limits import RedisLimits
from tests.support.ingestion_frames import NOON_MS, RECORDS_MAX, frame, imei_of
from tests.support.ingestion_journals import new_journal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from redis import Redis

    from ingestion.journal.journal import Journal
    from telemetry.chassis.health import Readiness
    from telemetry.chassis.progress import StalledTask

BOUND_S = 20.0
PATIENT = RedisLimits()
# A tenth of the time.
QUICK = RedisLimits(silence_ms=450, idle_ms_max=300)


@dataclass
class AtWork:
    """Publishers whose tasks run."""

    publishers: Publishers
    journal: Journal
    streams: tuple[str, ...]
    tasks: ProgressTable
    nursery: trio.Nursery

    async def publish(self, device: int, number: int, records: int = 5) -> bytes:
        """Publish a frame, and return its answer."""
        accepted = frame(device, number, streams=self.streams, records=records)
        with trio.fail_after(BOUND_S):
            confirmation = await self.publishers.publish(accepted)
        return accepted.answer(confirmation)

    @property
    def readiness(self) -> Readiness:
        return self.journal.health().dependencies[REDIS]

    @property
    def errors(self) -> dict[str, int]:
        """Unconfirmed frames by code."""
        return {code: n for code, n in self.journal.snapshot().redis_errors.items() if n}

    @property
    def has_ended(self) -> bool:
        """Whether the publishers' tasks have."""
        return not self.nursery.child_tasks

    def stalled(self, *, after_s: float) -> tuple[StalledTask, ...]:
        return self.tasks.stalled(clocks.monotonic_s(), after_s=after_s)

    async def until_ready(self) -> None:
        await until(lambda: self.readiness.ready, "Redis is ready")

    async def until_lost(self) -> None:
        await until(lambda: not self.readiness.ready, "Redis is lost")


@asynccontextmanager
async def at_work(url: str, *streams: str, **bounds: Any) -> AsyncIterator[AtWork]:
    """Publishers that are connected and at work until the block ends; then they run dry. `bounds` as in `options`."""
    async with _started(url, streams, bounds) as work:
        yield work
        work.publishers.close()
        await until(lambda: work.has_ended, "the tasks have ended")
    assert work.publishers.depth.records == work.publishers.depth.bytes == 0


@asynccontextmanager
async def cut_short(url: str, *streams: str, **bounds: Any) -> AsyncIterator[AtWork]:
    """The same, but they are cut at the end of the block."""
    async with _started(url, streams, bounds) as work:
        yield work
        work.nursery.cancel_scope.cancel()


@asynccontextmanager
async def _started(
    url: str, streams: tuple[str, ...], bounds: dict[str, Any]
) -> AsyncIterator[AtWork]:
    journal = new_journal()
    publishers = Publishers(options(url, streams, **bounds), journal)
    await publishers.connect()
    journal.dependency_ready(REDIS)
    tasks = ProgressTable()
    try:
        async with trio.open_nursery() as nursery:
            publishers.start_soon(nursery, tasks)
            yield AtWork(publishers, journal, streams, tasks, nursery)
    finally:
        await publishers.aclose()


def options(
    url: str,
    streams: tuple[str, ...],
    *,
    limits: RedisLimits = PATIENT,
    records_max: int = 10_000,
    bytes_max: int = 1 << 26,
) -> PublishOptions:
    """For a server at `url`."""
    return PublishOptions(
        homes=Homes(redis_target(url)),
        streams=streams,
        instance_id="test",
        records_max=records_max,
        bytes_max=bytes_max,
        backoff=Backoff(base_ms=10, max_ms=200),
        limits=limits,
    )


async def until(condition: Any, what: str) -> None:
    """Wait until the condition holds."""
    with trio.move_on_after(BOUND_S):
        while not condition():  # noqa: ASYNC110  # a server's state, of which nobody sends an event
            await trio.sleep(0.005)
        return
    raise AssertionError(f"not within {BOUND_S} s: {what}")


@dataclass
class Fleet:
    """Devices that send one frame after the other, and wait for each outcome. No frame is sent again."""

    at_work: AtWork
    devices: int
    records: int = 5
    answered: list[tuple[int, int]] = field(default_factory=list)
    """Device and number of each frame that was answered."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Frames that were not, by code."""
    peak_records: int = 0

    def start(self, nursery: trio.Nursery) -> None:
        """Send until the nursery is cancelled."""
        for device in range(self.devices):
            nursery.start_soon(self._send_for_ever, device)

    async def until_more(self, frames_a_device: int = 3) -> None:
        """Wait until each device has got so many more answers."""
        before = Counter(device for device, _ in self.answered)
        goal = Counter({device: before[device] + frames_a_device for device in range(self.devices)})
        await until(
            lambda: Counter(device for device, _ in self.answered) >= goal, "all get through"
        )

    async def _send_for_ever(self, device: int) -> None:
        number = 0
        while True:
            number += 1
            depth = self.at_work.publishers.depth
            self.peak_records = max(self.peak_records, depth.records)
            try:
                answer = await self.at_work.publish(device, number, records=self.records)
            except (RedisUnavailableError, PublishOverflowError) as error:
                self.dropped[error.code] += 1
                # A device would wait for longer.
                await trio.sleep(0.01)
            else:
                assert answer[-1] == self.records
                self.answered.append((device, number))

    def assert_promise_kept(self, *clients: tuple[Redis, str]) -> None:
        """Each answered record is in a stream; nothing is there twice, and all of a device's in order."""
        times: dict[str, list[int]] = {}
        for client, stream in clients:
            for device_id, unix_ms in published(client, stream):
                times.setdefault(device_id, []).append(unix_ms)
        for device_id, found in times.items():
            assert found == sorted(set(found)), f"{device_id} is out of order, or twice"
        for device, number in self.answered:
            records = range(number * RECORDS_MAX, number * RECORDS_MAX + self.records)
            missing = {NOON_MS + each for each in records} - set(times[imei_of(device)])
            assert not missing


def published(client: Redis, stream: str) -> Iterable[tuple[str, int]]:
    """Device and Unix time of each entry."""
    entries: Any = client.xrange(stream)
    for _, fields in entries:
        yield fields[b"device_id"].decode(), _unix_ms(fields[b"ts"].decode())


def _unix_ms(ts: str) -> int:
    # All of one day.
    hours, minutes, seconds = ts[11:-1].split(":")
    of_day = (int(hours) * 60 + int(minutes)) * 60_000 + round(float(seconds) * 1_000)
    return NOON_MS - 12 * 3_600_000 + of_day
