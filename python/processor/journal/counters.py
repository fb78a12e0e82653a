"""The counts behind the statistics: plain additions, frozen when somebody looks."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

from processor.core.attempts import NO_ANSWER, REFUSED_BY_SERVER
from processor.core.ledger import Ledger
from processor.core.requests import REQUESTS
from processor.journal import SERVICE
from processor.journal.statistics import (
    CONNECTION,
    DEPENDENCIES,
    READ_RESULTS,
    REHYDRATION_RESULTS,
    WRITE_DURATION_BOUNDS_S,
    WRITE_STATUSES,
    Build,
    DrainResult,
    Durations,
    Refusals,
    Statistics,
)
from telemetry._codec import DECODE_CODES
from telemetry.chassis import clocks
from telemetry.chassis.control.messages import UNKNOWN, Dropped
from telemetry.chassis.journal import ServiceJournal

if TYPE_CHECKING:
    from telemetry.chassis.health import Health
    from telemetry.chassis.logs import Log


class InFlightCounts(Protocol):
    """Entries in flight."""

    def __len__(self) -> int:
        """How many there are."""

    @property
    def ledger(self) -> Ledger:
        """What became of the others."""


class DeviceCounts(Protocol):
    """Devices in memory."""

    @property
    def size(self) -> int:
        """How many there are."""

    @property
    def evictions(self) -> int:
        """How many made room for others since the start."""


@dataclass(frozen=True, slots=True)
class _NothingInFlight:
    ledger: Ledger = field(default_factory=Ledger)

    def __len__(self) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class _NoDevices:
    size: int = 0
    evictions: int = 0


NOTHING_IN_FLIGHT: Final[InFlightCounts] = _NothingInFlight()
NO_DEVICES: Final[DeviceCounts] = _NoDevices()


class Counters:
    """A field for each field of Statistics that counts. Every label value exists from the start, at 0."""

    def __init__(self) -> None:
        self.reads = dict.fromkeys(READ_RESULTS, 0)
        self.records_read = 0
        self.entries_claimed = 0
        self.entries_lost = 0
        self.dead_letters = dict.fromkeys((*DECODE_CODES, REFUSED_BY_SERVER, NO_ANSWER), 0)
        self.write_retries: dict[str, int] = {CONNECTION: 0}
        self.lag: int | None = None
        self.pending_entries: int | None = None
        self.oldest_pending_ms: int | None = None
        self.last_record_ms: int | None = None
        self.last_entry_ms: int | None = None
        self.last_id: str | None = None
        self.stream_length: int | None = None
        self.dead_letters_kept: int | None = None
        self.refusals: dict[str, Refusals] = {}
        # How much Redis' clock, of which the ids are, is ahead of ours.
        self.redis_ahead_ms = 0
        self.drain = DrainResult()
        self.drain_began_s: float | None = None
        self.decode_errors = dict.fromkeys(DECODE_CODES, 0)
        self.position_writes = dict.fromkeys(WRITE_STATUSES, 0)
        self.write_durations = [0] * (len(WRITE_DURATION_BOUNDS_S) + 1)
        self.write_durations_sum_s = 0.0
        self.acks = 0
        self.in_flight: InFlightCounts = NOTHING_IN_FLIGHT
        self.devices: DeviceCounts = NO_DEVICES
        self.rehydrations = dict.fromkeys(REHYDRATION_RESULTS, 0)
        self.requests = dict.fromkeys((*REQUESTS, UNKNOWN), 0)
        self.control_messages_dropped = dict.fromkeys(map(str, Dropped), 0)

    def frozen(self, build: Build, health: Health) -> Statistics:
        """The statistics of this moment; later counts do not change them."""
        now_ms = clocks.unix_ms()
        return Statistics(
            build=build,
            phase=health.phase,
            dependencies=health.dependencies,
            obstacles=health.obstacles,
            reads=MappingProxyType(dict(self.reads)),
            records_read=self.records_read,
            entries_claimed=self.entries_claimed,
            entries_lost=self.entries_lost,
            refusals=MappingProxyType(dict(self.refusals)),
            dead_letters=MappingProxyType(dict(self.dead_letters)),
            write_retries=MappingProxyType(dict(self.write_retries)),
            lag=self.lag,
            pending_entries=self.pending_entries,
            oldest_pending_age_s=_age_s(self.oldest_pending_ms, now_ms + self.redis_ahead_ms),
            last_record_age_s=_age_s(self.last_record_ms, now_ms),
            last_entry_age_s=_age_s(self.last_entry_ms, now_ms + self.redis_ahead_ms),
            last_id=self.last_id,
            stream_length=self.stream_length,
            dead_letters_kept=self.dead_letters_kept,
            drain=self._drain(),
            decode_errors=MappingProxyType(dict(self.decode_errors)),
            position_writes=MappingProxyType(dict(self.position_writes)),
            write_durations=Durations(tuple(self.write_durations), self.write_durations_sum_s),
            acks=self.acks,
            in_flight_records=len(self.in_flight),
            ledger=self.in_flight.ledger,
            device_state_size=self.devices.size,
            device_state_evictions=self.devices.evictions,
            rehydrations=MappingProxyType(dict(self.rehydrations)),
            requests=MappingProxyType(dict(self.requests)),
            control_messages_dropped=MappingProxyType(dict(self.control_messages_dropped)),
        )

    def _drain(self) -> DrainResult:
        """The drain's result, or how long it has taken so far."""
        if self.drain.outcome is not None or self.drain_began_s is None:
            return self.drain
        return DrainResult(duration_s=clocks.monotonic_s() - self.drain_began_s)


class CountingJournal(ServiceJournal):
    """A journal with the processor's counters: what the parts of `Journal` have in common."""

    def __init__(self, log: Log) -> None:
        super().__init__(log, service=SERVICE, dependencies=DEPENDENCIES)
        self._counters = Counters()


def _age_s(since_ms: int | None, now_ms: int) -> float | None:
    return None if since_ms is None else max(0.0, (now_ms - since_ms) / 1000)
