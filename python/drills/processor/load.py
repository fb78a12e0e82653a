"""Run, the load: record number n has one key, and the key gives n back. Steady records, and backlogs on request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

import trio

from telemetry.stream.entry import Entry

if TYPE_CHECKING:
    from drills.processor.stream import DrillStream

_BATCH_RECORDS_MAX = 1_000
# Often enough to look like many devices.
_TICK_S = 0.05

# About as large as a tracker's usual record.
_PAYLOAD = (
    '{"device_id":"%s","timestamp":"%s","latitude":41.3275,"longitude":19.8187,"altitude":110,"angle":214,'
    '"speed":63,"satellites":14,"priority":0,"attributes":{"21":5,"66":12710,"67":4098,"69":1,"181":7,"182":4,'
    '"200":0,"239":1,"240":1,"241":27601,"16":%d,"78":{"__bigint":"18446744073709551615"}}}'
)


@dataclass(frozen=True, slots=True)
class Drive:
    """The devices take turns; each turn of all of them is a millisecond later than the one before.

    `start` is UTC with whole seconds. A million records of a hundred devices are ten seconds of the past: they open
    no chunk that a live system does not have.
    """

    device_ids: tuple[str, ...]
    start: datetime

    def entry(self, number: int) -> Entry:
        """Record `number` as tcp-ingestion publishes it."""
        turn, device = divmod(number, len(self.device_ids))
        moment = self.start + timedelta(milliseconds=turn)
        ts = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
        device_id = self.device_ids[device]
        return Entry(ts, device_id, "8E", (_PAYLOAD % (device_id, ts, number)).encode())

    def entries(self, first: int, count: int) -> list[Entry]:
        """Records `first`, `first` + 1, ..."""
        return [self.entry(number) for number in range(first, first + count)]

    def number(self, device_id: str, turn_ms: int) -> int:
        """The record of a key, whose `ts` is `turn_ms` after the start. Raises ValueError for foreign devices."""
        return turn_ms * len(self.device_ids) + self.device_ids.index(device_id)

    def turn_ms(self, ts: str) -> int:
        """How long after the start a published `ts` is."""
        return round((datetime.fromisoformat(ts) - self.start) / timedelta(milliseconds=1))


class Load:
    """Publishes the drive's records in order, each once."""

    def __init__(self, stream: DrillStream, drive: Drive) -> None:
        self._stream = stream
        self._drive = drive
        self._in_turn = trio.Lock()
        self.published = 0
        """Records that Redis has confirmed: numbers 0 to `published` - 1."""

    async def publish(self, count: int) -> None:
        """Publish the next `count` records."""
        async with self._in_turn:
            goal = self.published + count
            while self.published < goal:
                size = min(_BATCH_RECORDS_MAX, goal - self.published)
                # Not abandoned when cancelled: what was sent is counted.
                await trio.to_thread.run_sync(self._publish_next, size)

    async def run_steadily(self, rate: int) -> NoReturn:
        """Publish `rate` records a second until cancelled. What a delay left out is made up for."""
        started, sent = trio.current_time(), 0
        while True:
            await trio.sleep(_TICK_S)
            due = int((trio.current_time() - started) * rate) - sent
            sent += due
            await self.publish(due)

    def _publish_next(self, size: int) -> None:
        self._stream.publish(self._drive.entries(self.published, size))
        self.published += size
