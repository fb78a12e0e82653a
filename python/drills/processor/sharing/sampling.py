"""Observe: how far the table is behind the stream, several times a second."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drills.processor.load import Drive
    from drills.processor.sharing.timed_load import TimedLoad
    from drills.processor.stream import DrillStream
    from drills.processor.table import DrillTable


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at both servers, `at_s` seconds after the start of the run."""

    at_s: float
    undelivered: int
    """Published, and given to no instance yet."""
    pending: int
    """Given to an instance, and not acknowledged."""
    uncommitted: int
    """Published, and not in the table."""
    oldest_uncommitted_s: float
    """The age of the oldest of these; 0 without one."""


def first_incomplete(turn: int, rows: Mapping[int, int], devices: int) -> int:
    """The first turn from `turn` on that has not a row of each device."""
    while rows.get(turn) == devices:
        turn += 1
    return turn


class Sampler:
    """Looks at the servers. What is behind is found by the rows of each turn, from the first that lacks one."""

    def __init__(
        self,
        stream: DrillStream,
        table: DrillTable,
        load: TimedLoad,
        drive: Drive,
        elapsed_s: Callable[[], float],
    ) -> None:
        self.samples: list[Sample] = []
        self._stream = stream
        self._table = table
        self._load = load
        self._drive = drive
        self._elapsed_s = elapsed_s
        self._turn = 0

    async def run(self, interval_s: float) -> NoReturn:
        """Take samples until cancelled."""
        while True:
            next_at = trio.current_time() + interval_s
            self.samples.append(await trio.to_thread.run_sync(self._sample, self._elapsed_s()))
            await trio.sleep_until(next_at)

    def _sample(self, at_s: float) -> Sample:
        devices = len(self._drive.device_ids)
        published = self._load.published
        rows = self._table.rows_by_turn(self._drive.start, self._turn)
        self._turn = first_incomplete(self._turn, rows, devices)
        behind = (count for turn, count in rows.items() if turn >= self._turn)
        committed = self._turn * devices + sum(behind)
        oldest = self._oldest_uncommitted(published)
        state = self._stream.state()
        return Sample(
            at_s=at_s,
            undelivered=max(published - state.read, 0),
            pending=state.pending,
            uncommitted=max(published - committed, 0),
            oldest_uncommitted_s=0.0 if oldest is None else self._load.age_s(oldest),
        )

    def _oldest_uncommitted(self, published: int) -> int | None:
        """The number of the oldest record without a row; the turn's rows are looked at once more."""
        first = self._turn * len(self._drive.device_ids)
        if first >= published:
            return None
        there = self._table.devices_at(self._drive.start + timedelta(milliseconds=self._turn))
        numbers = (
            first + place
            for place, device_id in enumerate(self._drive.device_ids)
            if device_id not in there
        )
        oldest = next(numbers, None)
        return oldest if oldest is not None and oldest < published else None
