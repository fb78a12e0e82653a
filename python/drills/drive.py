"""The positions that a drill publishes: record number n has one key, and the key gives n back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from telemetry.stream.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable

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


@dataclass(frozen=True, slots=True)
class Tally:
    """How often each published record was found in the table."""

    published: int
    rows: int
    """Rows with the drill's devices."""
    missing: frozenset[int]
    """Numbers of records without a row."""
    repeated: int
    """Rows beyond the first of a key: a table without its unique index has them."""
    foreign: int
    """Rows that nobody published."""

    @property
    def distinct(self) -> int:
        """Published records that are in the table."""
        return self.published - len(self.missing)


def tally(published: int, numbers: Iterable[int]) -> Tally:
    """Count the rows, given by their records' numbers, against what was published."""
    times = bytearray(published)
    rows = foreign = repeated = 0
    for number in numbers:
        rows += 1
        if not 0 <= number < published:
            foreign += 1
        elif times[number]:
            repeated += 1
        else:
            times[number] = 1
    missing = frozenset(number for number, seen in enumerate(times) if not seen)
    return Tally(published, rows, missing, repeated, foreign)
