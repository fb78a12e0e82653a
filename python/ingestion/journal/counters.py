"""The counts behind the statistics: plain additions, frozen when somebody looks."""

from __future__ import annotations

from bisect import bisect_left
from types import MappingProxyType
from typing import TYPE_CHECKING

from ingestion.core.requests import REQUESTS
from ingestion.journal import SERVICE
from ingestion.journal.statistics import (
    COMMAND_CODECS,
    DEPENDENCIES,
    FRAME_RESULTS,
    HANDSHAKE_RESULTS,
    KNOWN,
    OTHER,
    PUBLISH_DURATION_BOUNDS_S,
    RECORD_CODECS,
    REFUSED_REASONS,
    UNKNOWN_DEVICE,
    Build,
    DrainResult,
    Durations,
    Load,
    Statistics,
)
from telemetry.chassis import clocks
from telemetry.chassis.control.messages import UNKNOWN, Dropped
from telemetry.chassis.journal import ServiceJournal

if TYPE_CHECKING:
    from telemetry.chassis.health import Health
    from telemetry.chassis.logs import Log

CONNECTION = "connection"
"""The code of a frame that was lost with its connection to Redis, or that waited too long for one."""


class Counters:
    """A field for each field of Statistics that counts. Every label value exists from the start, at 0."""

    def __init__(self) -> None:
        self.handshakes = dict.fromkeys(_handshake_labels(), 0)
        self.frames = dict.fromkeys(_frame_labels(), 0)
        self.records_published = dict.fromkeys(RECORD_CODECS, 0)
        self.unknown_codecs = 0
        self.overflows = 0
        self.publish_durations = [0] * (len(PUBLISH_DURATION_BOUNDS_S) + 1)
        self.publish_durations_sum_s = 0.0
        self.probes = 0
        self.pings = 0
        self.refused_connections = dict.fromkeys(REFUSED_REASONS, 0)
        self.quarantined = 0
        self.redis_errors: dict[str, int] = {CONNECTION: 0}
        self.suppressed_lines = 0
        self.requests = dict.fromkeys((*REQUESTS, UNKNOWN), 0)
        self.control_messages_dropped = dict.fromkeys(map(str, Dropped), 0)
        self.drain = DrainResult()
        self.drain_began_s: float | None = None

    def add_frame(self, codec: str, result: str) -> None:
        """Count a frame that was not published; also in a combination that is not there from the start."""
        self.frames[codec, result] = self.frames.get((codec, result), 0) + 1

    def published(self, codec: str, records: int, duration_s: float) -> None:
        """Redis has confirmed a frame; `duration_s` since it was accepted."""
        self.frames[codec, "ok"] += 1
        self.records_published[codec] += records
        self.publish_durations[bisect_left(PUBLISH_DURATION_BOUNDS_S, duration_s)] += 1
        self.publish_durations_sum_s += duration_s

    def frozen(self, build: Build, health: Health, load: Load) -> Statistics:
        """The statistics of this moment; later counts do not change them."""
        return Statistics(
            build=build,
            phase=health.phase,
            dependencies=health.dependencies,
            obstacles=health.obstacles,
            load=load,
            handshakes=MappingProxyType(dict(self.handshakes)),
            frames=MappingProxyType(dict(self.frames)),
            records_published=MappingProxyType(dict(self.records_published)),
            unknown_codecs=self.unknown_codecs,
            overflows=self.overflows,
            publish_durations=Durations(
                tuple(self.publish_durations), self.publish_durations_sum_s
            ),
            probes=self.probes,
            pings=self.pings,
            refused_connections=MappingProxyType(dict(self.refused_connections)),
            quarantined=self.quarantined,
            redis_errors=MappingProxyType(dict(self.redis_errors)),
            suppressed_lines=self.suppressed_lines,
            requests=MappingProxyType(dict(self.requests)),
            control_messages_dropped=MappingProxyType(dict(self.control_messages_dropped)),
            drain=self._drain(),
        )

    def _drain(self) -> DrainResult:
        """The drain's result, or how long it has taken so far."""
        if self.drain.outcome is not None or self.drain_began_s is None:
            return self.drain
        return DrainResult(duration_s=clocks.monotonic_s() - self.drain_began_s)


class CountingJournal(ServiceJournal):
    """A journal with the counters of tcp-ingestion: what the parts of `Journal` have in common."""

    def __init__(self, log: Log) -> None:
        super().__init__(log, service=SERVICE, dependencies=DEPENDENCIES)
        self._counters = Counters()


def _handshake_labels() -> list[tuple[str, str]]:
    return [(result, known) for result in HANDSHAKE_RESULTS for known in (KNOWN, UNKNOWN_DEVICE)]


def _frame_labels() -> list[tuple[str, str]]:
    """What can happen to each codec; commands are not published."""
    records = [(codec, result) for codec in RECORD_CODECS for result in FRAME_RESULTS]
    commands = [
        (codec, result) for codec in COMMAND_CODECS for result in ("ok", "crc_fail", "malformed")
    ]
    others = [(OTHER, result) for result in ("crc_fail", "malformed", "unknown_codec")]
    return [*records, *commands, *others]
