"""One moment of the service as a frozen object: its counts and its state, for metrics, crash dumps and tests."""

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
SCHEMA, CONSUMER = "schema", "consumer"
"""What else may keep the service from its work: the table is not what it should be; reading does not go on."""

CONNECTION = "connection"
"""The cause of a retry without an SQLSTATE: no connection, a lost one, or no answer in time."""

# From a small batch on a local server to a COPY that waits for a lock or a checkpoint.
WRITE_DURATION_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Build:
    """Which version runs, as which instance, on which stream, group and consumer, and how long its drain may take."""

    version: str
    instance_id: str
    stream: str
    group: str
    consumer: str
    drain_budget_s: float
    """From the stop request to the last acknowledgement."""


@dataclass(frozen=True, slots=True)
class Durations:
    """A histogram of durations in seconds."""

    counts: tuple[int, ...]
    """Observations up to each of WRITE_DURATION_BOUNDS_S, and last those beyond; not cumulative."""
    sum_s: float
    """Their sum."""


@dataclass(frozen=True, slots=True)
class DrainResult:
    """The end of a life, from the stop request."""

    outcome: str | None = None
    """`clean` or `timed_out`; None before the end."""
    duration_s: float | None = None
    """Up to this moment while it lasts; None before the stop request."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """Records that failed by their own fault, with one code: how many, and the newest."""

    records: int
    """Each counts once, with its first failure."""
    newest_id: str
    """The entry's id."""
    newest_at_ms: int
    """Unix time of the failure."""
    sqlstate: str | None
    """Of the newest one; None if no server refused it."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """One moment of the service. Counters count from the start of the process."""

    build: Build
    phase: Phase
    """Where the process is in its life."""
    dependencies: Mapping[str, Readiness]
    """All of DEPENDENCIES, by name."""
    obstacles: Mapping[str, str]
    """Why it cannot work although both servers can be used, by SCHEMA and CONSUMER."""
    reads: Mapping[str, int]
    """XREADGROUP calls by result, all of READ_RESULTS."""
    records_read: int
    """Entries delivered, including those delivered again."""
    entries_claimed: int
    """Pending entries taken from consumers that left them idle."""
    entries_lost: int
    """Pending entries that were no longer in the stream."""
    refusals: Mapping[str, Refusals]
    """Records that failed by their own fault, by code; those that are dead letters by now among them."""
    dead_letters: Mapping[str, int]
    """Entries moved to the dead-letter stream, by the code of their last failure."""
    write_retries: Mapping[str, int]
    """Batches that failed or were held through no fault of a record, by SQLSTATE, or CONNECTION without one."""
    lag: int | None
    """Entries not yet delivered to the group; None before Redis was asked, and while it does not answer."""
    pending_entries: int | None
    """Entries delivered to the group and not acknowledged; None before Redis was asked."""
    oldest_pending_age_s: float | None
    """Time since the oldest pending entry was published; None while nothing is pending, and before Redis was asked."""
    last_record_age_s: float | None
    """Time since entries were last delivered; None before the first."""
    last_entry_age_s: float | None
    """Time since the stream's last id was generated, whoever reads it; None before the first, or unknown."""
    last_id: str | None
    """The stream's last generated id; None where `last_entry_age_s` is."""
    stream_length: int | None
    """Entries in the stream; None before Redis was asked."""
    dead_letters_kept: int | None
    """Entries in the dead-letter stream, whoever put them there; None before Redis was asked."""
    drain: DrainResult
    """Outcome and duration of the drain."""
    decode_errors: Mapping[str, int]
    """Entries that are not Positions, by code: all of DECODE_CODES, and any further code of the codec."""
    position_writes: Mapping[str, int]
    """Records by the result of their write, all of WRITE_STATUSES."""
    write_durations: Durations
    """How long each COPY took, from its start to its commit."""
    acks: int
    """Ids named in answered XACKs, including those that a peer had acknowledged before."""
    in_flight_records: int
    """Entries read, and neither settled nor left pending yet."""
    ledger: Ledger
    """What became of the entries read, except for those in flight."""
    device_state_size: int
    """Devices in memory."""
    device_state_evictions: int
    """Devices dropped from memory to make room."""
    rehydrations: Mapping[str, int]
    """Cold devices by the result of looking them up in the table, all of REHYDRATION_RESULTS."""
    requests: Mapping[str, int]
    """Operators' requests by name: all of REQUESTS, and UNKNOWN for any other."""
    control_messages_dropped: Mapping[str, int]
    """Messages on the control channel that were no requests, by reason, all of Dropped."""

    @property
    def unready(self) -> Mapping[str, str]:
        """Why the service is not ready, by dependency, by obstacle, and by `phase`; empty if it is."""
        return Health(self.phase, self.dependencies, self.obstacles).unready
