"""The facts of `/status.json`: contract section 12."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ingestion.journal import SERVICE
from ingestion.journal.identity import frames_by_result
from ingestion.journal.statistics import REDIS
from ingestion.page.flow import Sample
from ingestion.page.problems import problems_of
from telemetry.chassis import clocks
from telemetry.chassis.times import iso_of_unix_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingestion.journal.identity import Identity
    from ingestion.journal.statistics import Statistics
    from ingestion.page.flow import Flow
    from telemetry.chassis.progress import StalledTask


def status_of(  # noqa: PLR0913  # everything that there is to show
    now: Statistics,
    flow: Flow,
    identity: Identity,
    *,
    listeners: Mapping[str, str | None],
    reasons: Mapping[str, str],
    stalled: Sequence[StalledTask],
    log_level: str,
) -> dict[str, object]:
    """Everything that the page shows. It has no device, no payload and no secret.

    `listeners`: host and port by transport, None where there is no such one.
    """
    return {
        "service": SERVICE,
        "at": iso_of_unix_ms(clocks.unix_ms()),
        "status": "stalled" if stalled else "not ready" if reasons else "ready",
        "phase": now.phase.value,
        "reasons": dict(reasons),
        "redis": asdict(now.dependencies[REDIS]),
        "listeners": dict(listeners),
        "connections": now.load.connections,
        "frames": frames_by_result(now),
        "records": sum(now.records_published.values()),
        "queue": {"records": now.load.queue_records, "bytes": now.load.queue_bytes},
        "oldest_unanswered_s": now.load.oldest_unanswered_s,
        "streams": list(now.build.streams),
        "instances": [identity.describe(now, log_level=log_level)],
        "problems": [asdict(each) for each in problems_of(now, stalled, overflows=flow.overflows)],
        "logins": _logins(now),
        "counts": {
            "probes": now.probes,
            "pings": now.pings,
            "overflows": now.overflows,
            "quarantined": now.quarantined,
            "refused_connections": sum(now.refused_connections.values()),
        },
        "failures": _failures(now),
        "drain": asdict(now.drain),
        "flow": flow.courses(*Sample.__slots__),
    }


def _logins(now: Statistics) -> dict[str, int]:
    """Since the start, by result."""
    found: dict[str, int] = {}
    for (result, _), logins in now.handshakes.items():
        found[result] = found.get(result, 0) + logins
    return found


def _failures(now: Statistics) -> list[dict[str, object]]:
    """Frames that were refused or dropped since the start, by codec and result, and what Redis said, by code."""
    frames = [
        {"what": result, "code": codec, "count": count}
        for (codec, result), count in now.frames.items()
        if count and result != "ok"
    ]
    redis = [
        {"what": "redis", "code": code, "count": count}
        for code, count in now.redis_errors.items()
        if count
    ]
    return [*frames, *redis]
