"""What the service counted and how it stands: one frozen object that feeds metrics, health and tests."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from processor._codec import DECODE_CODES
from processor.core.lifecycle import READY_PHASES, Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

READ_RESULTS = ("ok", "empty", "error")
WRITE_STATUSES = ("inserted", "duplicate", "failed")
DEPENDENCIES = ("redis", "postgres")

# From one small batch on a local server to a COPY that waits for a lock or a checkpoint.
WRITE_DURATION_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Build:
    """What runs, and on what."""

    version: str
    stream: str
    group: str
    consumer: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a dependency can be used, and if not, why: a sentence without credentials."""

    ready: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Durations:
    """A histogram of durations in seconds."""

    counts: tuple[int, ...]
    """Observations up to each of WRITE_DURATION_BOUNDS_S, and last those beyond; not cumulative."""
    sum_s: float
    """Their sum."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """One moment of the service. Counters count from the start of the process."""

    build: Build
    """Version, stream, group and consumer."""
    phase: Phase
    """Where the process is in its life."""
    dependencies: Mapping[str, Readiness]
    """By name, all of DEPENDENCIES."""
    reads: Mapping[str, int]
    """XREADGROUP calls by result, all of READ_RESULTS."""
    records_read: int
    """Entries read, redelivered ones included."""
    records_reread: int
    """Of these, those that were read in this life before."""
    records_lost: int
    """Pending entries that were no longer in the stream."""
    lag: int | None
    """Entries not yet delivered to the group; None before the first look and when Redis cannot tell."""
    pending_entries: int | None
    """Entries delivered to the group and not acknowledged; None before the first look."""
    decode_errors: Mapping[str, int]
    """Refused payloads by code, all of DECODE_CODES and whatever else the codec said."""
    position_writes: Mapping[str, int]
    """Records by how their write ended, all of WRITE_STATUSES."""
    write_durations: Durations
    """From the start of each COPY up to its commit."""
    acks: int
    """Ids named in answered XACKs, whether or not a peer had acknowledged them before."""
    in_flight_records: int
    """Records read and neither acknowledged nor refused yet."""
    device_state_size: int
    """Devices held in memory."""
    device_state_evictions: int
    """Devices that the LRU dropped."""

    @property
    def unready(self) -> Mapping[str, str]:
        """Why the service is not ready, by `lifecycle` and the names of dependencies; empty if it is."""
        reasons = {name: it.reason for name, it in self.dependencies.items() if not it.ready}
        if self.phase not in READY_PHASES:
            reasons["lifecycle"] = self.phase.value
        return reasons


IN_USE = "use"
"""The reporter who finds out by using a dependency."""


class Recorder:
    """Where the tasks report to. Every label value exists from the start, at 0.

    Plain additions on the event loop's thread; `snapshot` freezes them.
    """

    def __init__(self, build: Build) -> None:
        self._build = build
        self._phase = Phase.STARTING
        self._troubles: dict[str, dict[str, str]] = {
            name: {IN_USE: "starting"} for name in DEPENDENCIES
        }
        self._reads = dict.fromkeys(READ_RESULTS, 0)
        self._records_read = 0
        self._lag: int | None = None
        self._pending_entries: int | None = None
        self._decode_errors = dict.fromkeys(DECODE_CODES, 0)
        self._position_writes = dict.fromkeys(WRITE_STATUSES, 0)
        self._write_counts = [0] * (len(WRITE_DURATION_BOUNDS_S) + 1)
        self._write_sum_s = 0.0
        self._records_reread = 0
        self._records_lost = 0
        self._acks = 0
        self._in_flight_records = 0
        self._device_state_size = 0
        self._device_state_evictions = 0

    def phase_entered(self, phase: Phase) -> None:
        """The lifecycle moved."""
        self._phase = phase

    def dependency_ready(self, name: str, *, by: str = IN_USE) -> None:
        """`redis` or `postgres` answers, as far as this reporter can tell."""
        self._known(name).pop(by, None)

    def dependency_lost(self, name: str, reason: str, *, by: str = IN_USE) -> None:
        """`redis` or `postgres` cannot be used; the reason holds no credentials.

        It is ready again when every reporter that lost it has found it.
        """
        self._known(name)[by] = reason

    def read_answered(self, *, entries: int, records: int) -> None:
        """One XREADGROUP was answered; no entry is the result `empty`. `records` of them are Positions."""
        self._reads["ok" if entries else "empty"] += 1
        self._records_read += entries
        self._in_flight_records += records

    def read_failed(self) -> None:
        """One XREADGROUP ended in an error."""
        self._reads["error"] += 1

    def entries_reread(self, entries: int) -> None:
        """So many of the entries read had been read in this life before."""
        self._records_reread += entries

    def caught_up(self) -> None:
        """A read for new entries found none: nothing is undelivered."""
        self._lag = 0

    def queue_seen(self, *, lag: int | None, pending_entries: int | None) -> None:
        """What Redis says of the group; None where it cannot tell."""
        self._lag = lag
        self._pending_entries = pending_entries

    def decode_refused(self, code: str) -> None:
        """One entry read is not a Position."""
        self._decode_errors[code] = self._decode_errors.get(code, 0) + 1

    def batch_committed(self, *, inserted: int, duplicates: int, duration_s: float) -> None:
        """One batch was committed: its records by status, and how long COPY and commit took."""
        self._position_writes["inserted"] += inserted
        self._position_writes["duplicate"] += duplicates
        self._write_counts[bisect_left(WRITE_DURATION_BOUNDS_S, duration_s)] += 1
        self._write_sum_s += duration_s

    def records_failed(self, records: int) -> None:
        """The server refused records for their own sake; they are no longer in flight."""
        self._position_writes["failed"] += records
        self._in_flight_records -= records

    def records_acked(self, records: int) -> None:
        """An XACK that named so many ids was answered; they are no longer in flight."""
        self._acks += records
        self._in_flight_records -= records

    def lost_ids_acked(self, entries: int) -> None:
        """An XACK of entries that are no longer in the stream was answered; they were never in flight."""
        self._acks += entries
        self._records_lost += entries

    def devices_seen(self, *, size: int, evictions: int) -> None:
        """Devices in memory now, and evictions since the start."""
        self._device_state_size = size
        self._device_state_evictions = evictions

    def snapshot(self) -> Statistics:
        """The statistics of this moment; later reports do not change it."""
        return Statistics(
            build=self._build,
            phase=self._phase,
            dependencies=MappingProxyType({name: self._readiness(name) for name in DEPENDENCIES}),
            reads=MappingProxyType(dict(self._reads)),
            records_read=self._records_read,
            records_reread=self._records_reread,
            records_lost=self._records_lost,
            lag=self._lag,
            pending_entries=self._pending_entries,
            decode_errors=MappingProxyType(dict(self._decode_errors)),
            position_writes=MappingProxyType(dict(self._position_writes)),
            write_durations=Durations(tuple(self._write_counts), self._write_sum_s),
            acks=self._acks,
            in_flight_records=self._in_flight_records,
            device_state_size=self._device_state_size,
            device_state_evictions=self._device_state_evictions,
        )

    def _known(self, name: str) -> dict[str, str]:
        if name not in self._troubles:
            raise KeyError(f"{name} is no dependency; there are {', '.join(DEPENDENCIES)}")
        return self._troubles[name]

    def _readiness(self, name: str) -> Readiness:
        reason = next(iter(self._troubles[name].values()), "")
        return Readiness(ready=not self._troubles[name], reason=reason)
