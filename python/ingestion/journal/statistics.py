"""One moment of the service as a frozen object: its counts and its state, for metrics, crash dumps and tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.chassis.health import Readiness
    from telemetry.chassis.lifecycle import Phase

REDIS: Final = "redis"
LISTENERS: Final = "listeners"
DEPENDENCIES: Final = {REDIS: "Redis"}
"""The servers that the service cannot do without: names as in metrics to names as in log lines."""

HANDSHAKE_RESULTS: Final = ("accepted", "rejected", "malformed", "timeout")
KNOWN, UNKNOWN_DEVICE = "known", "unknown"
RECORD_CODECS: Final = ("8", "8E", "16")
COMMAND_CODECS: Final = ("12", "13", "14", "15")
OTHER: Final = "other"
CODECS: Final = (*RECORD_CODECS, *COMMAND_CODECS, OTHER)
FRAME_RESULTS: Final = (
    "ok",
    "crc_fail",
    "malformed",
    "unknown_codec",
    "overflow",
    "unpublished",
)
REFUSED_REASONS: Final = ("connections", "address", "proxy", "tls", "descriptors")

# From a local Redis that is idle to one that is nearly given up.
PUBLISH_DURATION_BOUNDS_S: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)


@dataclass(frozen=True, slots=True)
class Build:
    """Which version runs, as which instance, on which streams, and how long its drain may take."""

    version: str
    instance_id: str
    streams: tuple[str, ...]
    drain_budget_s: float
    """From the stop request, or the end of its delay, to the last answer."""


@dataclass(frozen=True, slots=True)
class Durations:
    """A histogram of durations in seconds."""

    counts: tuple[int, ...]
    """Observations up to each of PUBLISH_DURATION_BOUNDS_S, and last those beyond; not cumulative."""
    sum_s: float
    """Their sum."""


@dataclass(frozen=True, slots=True)
class Load:
    """What the service holds at this moment; zeros before it runs."""

    connections: int = 0
    queue_records: int = 0
    queue_bytes: int = 0
    oldest_unanswered_s: float = 0.0
    """Age of the oldest frame that was accepted and has no answer; 0 if all are answered."""


@dataclass(frozen=True, slots=True)
class DrainResult:
    """The end of a life, from the stop request."""

    outcome: str | None = None
    """`clean` or `timed_out`; None before the end."""
    duration_s: float | None = None
    """Up to this moment or the end; None before the stop request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Statistics:
    """Counts since the start, and the state of this moment."""

    build: Build
    phase: Phase
    dependencies: Mapping[str, Readiness]
    obstacles: Mapping[str, str]
    load: Load
    handshakes: Mapping[tuple[str, str], int]
    """By result and by KNOWN or UNKNOWN_DEVICE."""
    frames: Mapping[tuple[str, str], int]
    """By codec and result."""
    records_published: Mapping[str, int]
    """Records that Redis has confirmed, by codec."""
    unknown_codecs: int
    overflows: int
    publish_durations: Durations
    """From a frame's acceptance to its confirmation."""
    probes: int
    """Connections that ended without a byte."""
    pings: int
    refused_connections: Mapping[str, int]
    """By reason."""
    quarantined: int
    redis_errors: Mapping[str, int]
    """By Redis' code, or `connection`."""
    suppressed_lines: int
    requests: Mapping[str, int]
    control_messages_dropped: Mapping[str, int]
    drain: DrainResult
