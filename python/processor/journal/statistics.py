"""What the service counted and how it stands: one frozen object that feeds metrics, health and tests."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from processor.core.attempts import NO_ANSWER, REFUSED_BY_SERVER
from processor.core.ledger import Ledger
from telemetry._codec import DECODE_CODES
from telemetry.chassis import clocks
from telemetry.chassis.lifecycle import READY_PHASES, Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

READ_RESULTS = ("ok", "empty", "error")
WRITE_STATUSES = ("inserted", "duplicate", "discarded", "failed")
REHYDRATION_RESULTS = ("restored", "empty", "failed")
DEPENDENCIES = ("redis", "postgres")
DRAIN_OUTCOMES = ("clean", "timed_out")

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
class Drain:
    """The end of a life, from the stop request on."""

    outcome: str | None = None
    """One of DRAIN_OUTCOMES; None while nothing ended."""
    duration_s: float | None = None


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
    """Entries delivered, redelivered ones included."""
    entries_claimed: int
    """Pending entries taken from consumers that left them idle."""
    entries_lost: int
    """Pending entries that were no longer in the stream."""
    dead_letters: Mapping[str, int]
    """Entries moved to the dead-letter stream, by the code of their last failure."""
    write_retries: Mapping[str, int]
    """Batches that failed or were held for no record's sake, by SQLSTATE, or CONNECTION where there was none."""
    lag: int | None
    """Entries not yet delivered to the group; None before the first look and when Redis cannot tell."""
    pending_entries: int | None
    """Entries delivered to the group and not acknowledged; None before the first look."""
    oldest_pending_age_s: float | None
    """Since the oldest pending entry was published; None without one, and before the first look."""
    last_record_age_s: float | None
    """Since entries were last delivered; None before the first."""
    drain: Drain
    """How the end went."""
    decode_errors: Mapping[str, int]
    """Refused payloads by code, all of DECODE_CODES and whatever else the codec said."""
    position_writes: Mapping[str, int]
    """Records by how their write ended, all of WRITE_STATUSES."""
    write_durations: Durations
    """From the start of each COPY up to its commit."""
    acks: int
    """Ids named in answered XACKs, whether or not a peer had acknowledged them before."""
    in_flight_records: int
    """Entries read, and neither settled nor left pending yet."""
    ledger: Ledger
    """What became of the entries read, but for those in flight."""
    device_state_size: int
    """Devices held in memory."""
    device_state_evictions: int
    """Devices that the LRU dropped."""
    rehydrations: Mapping[str, int]
    """Cold devices by how the look into the database ended, all of REHYDRATION_RESULTS."""

    @property
    def unready(self) -> Mapping[str, str]:
        """Why the service is not ready, by `lifecycle` and the names of dependencies; empty if it is."""
        reasons = {name: it.reason for name, it in self.dependencies.items() if not it.ready}
        if self.phase not in READY_PHASES:
            reasons["lifecycle"] = self.phase.value
        return reasons


CONNECTION = "connection"
"""The cause of a retry without an SQLSTATE: no connection, a lost one, or no answer in time."""
IN_USE = "use"
"""The reporter who finds out by using a dependency."""
READING = "reading"
"""The reporter who reads the stream. It reports Redis as ready again only once a read was answered."""


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
        self._oldest_pending_ms: int | None = None
        self._last_record_ms: int | None = None
        self._drain = Drain()
        self._decode_errors = dict.fromkeys(DECODE_CODES, 0)
        self._position_writes = dict.fromkeys(WRITE_STATUSES, 0)
        self._write_counts = [0] * (len(WRITE_DURATION_BOUNDS_S) + 1)
        self._write_sum_s = 0.0
        self._entries_claimed = 0
        self._entries_lost = 0
        self._dead_letters = dict.fromkeys((*DECODE_CODES, REFUSED_BY_SERVER, NO_ANSWER), 0)
        self._write_retries: dict[str, int] = {CONNECTION: 0}
        self._acks = 0
        self._in_flight_records = 0
        self._ledger = Ledger()
        self._device_state_size = 0
        self._device_state_evictions = 0
        self._rehydrations = dict.fromkeys(REHYDRATION_RESULTS, 0)

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

    def read_answered(self, *, entries: int) -> None:
        """One XREADGROUP was answered; no entry is the result `empty`, and nothing is undelivered then."""
        self.dependency_ready("redis", by=READING)
        self._reads["ok" if entries else "empty"] += 1
        if not entries:
            self._lag = 0

    def read_failed(self, reason: str) -> None:
        """One XREADGROUP ended in an error, and Redis cannot be used.

        A new connection does not mend that: a server that is a replica now takes it, and refuses to deliver.
        """
        self._reads["error"] += 1
        self.dependency_lost("redis", reason, by=READING)

    def entries_delivered(self, entries: int) -> None:
        """Entries were read, or pending ones delivered once more."""
        self.dependency_ready("redis", by=READING)
        self._last_record_ms = clocks.unix_ms()
        self._records_read += entries

    def entries_claimed(self, entries: int) -> None:
        """Pending entries were taken over."""
        self._entries_claimed += entries

    def entries_lost(self, entries: int) -> None:
        """Pending entries turned out to be no longer in the stream."""
        self._entries_lost += entries

    def dead_lettered(self, code: str) -> None:
        """One entry was moved to the dead-letter stream."""
        self._dead_letters[code] = self._dead_letters.get(code, 0) + 1

    def in_flight(self, entries: int, ledger: Ledger) -> None:
        """So many entries are in flight now; the ledger says what became of the others."""
        self._in_flight_records = entries
        self._ledger = ledger

    def queue_seen(
        self, *, lag: int | None, pending_entries: int | None, oldest_id: str | None = None
    ) -> None:
        """What Redis says of the group; None where it cannot tell."""
        # An entry's id begins with the time at which it was published.
        self._oldest_pending_ms = None if oldest_id is None else int(oldest_id.partition("-")[0])
        self._lag = lag
        self._pending_entries = pending_entries

    def decode_refused(self, code: str) -> None:
        """One entry read is not a Position."""
        self._decode_errors[code] = self._decode_errors.get(code, 0) + 1

    def records_written(self, *, inserted: int, duplicates: int, discarded: int = 0) -> None:
        """Records are in the table, by a commit of ours or of somebody else, or a trigger has discarded them."""
        self._position_writes["inserted"] += inserted
        self._position_writes["duplicate"] += duplicates
        self._position_writes["discarded"] += discarded

    def write_timed(self, duration_s: float) -> None:
        """How long one COPY took, up to its commit."""
        self._write_counts[bisect_left(WRITE_DURATION_BOUNDS_S, duration_s)] += 1
        self._write_sum_s += duration_s

    def write_retried(self, sqlstate: str | None) -> None:
        """A batch failed for no record's sake, and is written again."""
        cause = sqlstate or CONNECTION
        self._write_retries[cause] = self._write_retries.get(cause, 0) + 1

    def records_failed(self, records: int) -> None:
        """The server refused records for their own sake."""
        self._position_writes["failed"] += records

    def records_acked(self, records: int) -> None:
        """An XACK that named so many ids was answered."""
        self._acks += records

    def drained(self, outcome: str, duration_s: float) -> None:
        """The life ended, so long after the stop request; `outcome` is one of DRAIN_OUTCOMES."""
        self._drain = Drain(outcome, duration_s)

    def devices_seen(self, *, size: int, evictions: int) -> None:
        """Devices in memory now, and evictions since the start."""
        self._device_state_size = size
        self._device_state_evictions = evictions

    def devices_rehydrated(self, result: str, devices: int) -> None:
        """Cold devices were looked for in the database; `result` is one of REHYDRATION_RESULTS."""
        self._rehydrations[result] += devices

    def snapshot(self) -> Statistics:
        """The statistics of this moment; later reports do not change it."""
        return Statistics(
            build=self._build,
            phase=self._phase,
            dependencies=MappingProxyType({name: self._readiness(name) for name in DEPENDENCIES}),
            reads=MappingProxyType(dict(self._reads)),
            records_read=self._records_read,
            entries_claimed=self._entries_claimed,
            entries_lost=self._entries_lost,
            dead_letters=MappingProxyType(dict(self._dead_letters)),
            write_retries=MappingProxyType(dict(self._write_retries)),
            lag=self._lag,
            pending_entries=self._pending_entries,
            oldest_pending_age_s=_age_s(self._oldest_pending_ms),
            last_record_age_s=_age_s(self._last_record_ms),
            drain=self._drain,
            decode_errors=MappingProxyType(dict(self._decode_errors)),
            position_writes=MappingProxyType(dict(self._position_writes)),
            write_durations=Durations(tuple(self._write_counts), self._write_sum_s),
            acks=self._acks,
            in_flight_records=self._in_flight_records,
            ledger=self._ledger,
            device_state_size=self._device_state_size,
            device_state_evictions=self._device_state_evictions,
            rehydrations=MappingProxyType(dict(self._rehydrations)),
        )

    def _known(self, name: str) -> dict[str, str]:
        if name not in self._troubles:
            raise KeyError(f"{name} is no dependency; there are {', '.join(DEPENDENCIES)}")
        return self._troubles[name]

    def _readiness(self, name: str) -> Readiness:
        troubles = self._troubles[name]
        reason = troubles.get(IN_USE) or next(iter(troubles.values()), "")
        return Readiness(ready=not troubles, reason=reason)


def _age_s(since_ms: int | None) -> float | None:
    return None if since_ms is None else max(0.0, (clocks.unix_ms() - since_ms) / 1000)
