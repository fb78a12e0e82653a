"""What the service counted and how it stands: one frozen object that feeds metrics, health and tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.chassis.health import Health

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.core.ledger import Ledger
    from telemetry.chassis.health import Readiness
    from telemetry.chassis.lifecycle import Phase

READ_RESULTS = ("ok", "empty", "error")
WRITE_STATUSES = ("inserted", "duplicate", "discarded", "failed")
REHYDRATION_RESULTS = ("restored", "empty", "failed")
REDIS, POSTGRES = "redis", "postgres"
DEPENDENCIES = {REDIS: "Redis", POSTGRES: "Postgres"}
"""The servers that the service cannot do without: names as in metrics to names as in log lines."""
DRAIN_OUTCOMES = ("clean", "timed_out")

CONNECTION = "connection"
"""The cause of a retry without an SQLSTATE: no connection, a lost one, or no answer in time."""

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
        return Health(self.phase, self.dependencies).unready
