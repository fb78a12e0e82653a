"""The facts of `/status.json`: those of `processor status --json`, as far as one instance knows them, and its own."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from processor.journal import SERVICE
from processor.journal.statistics import CONSUMER, POSTGRES, SCHEMA
from processor.page.flow import Sample
from processor.page.problems import problems_of
from telemetry.chassis import clocks
from telemetry.chassis.times import iso_of_unix_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from processor.journal.identity import Identity
    from processor.journal.statistics import Statistics
    from processor.page.flow import Flow
    from telemetry.chassis.progress import StalledTask


def status_of(  # noqa: PLR0913  # everything that there is to show
    now: Statistics,
    flow: Flow,
    identity: Identity,
    *,
    reasons: Mapping[str, str],
    stalled: Sequence[StalledTask],
    log_level: str,
) -> dict[str, object]:
    """Everything that the page shows. What this instance does not know is None. It has no payload and no secret."""
    return {
        "service": SERVICE,
        "at": iso_of_unix_ms(clocks.unix_ms()),
        "status": "stalled" if stalled else "not ready" if reasons else "ready",
        "phase": now.phase.value,
        "reasons": dict(reasons),
        "dependencies": {name: asdict(it) for name, it in now.dependencies.items()},
        **_queue(now),
        "consumers": [{"name": now.build.consumer, "pending": None, "idle_ms": None, "live": True}],
        "instances": [identity.describe(now, log_level=log_level)],
        "dead_letters": {"count": now.dead_letters_kept, "by_code": _counted(now.dead_letters)},
        "table": {
            "reachable": now.dependencies[POSTGRES].ready,
            "schema_ok": _schema_ok(now),
            "newest_ts": None,
        },
        "problems": [asdict(each) for each in problems_of(now, stalled)],
        "counts": _counts(now),
        "failures": _failures(now),
        "drain": asdict(now.drain),
        "flow": flow.courses(*Sample.__slots__),
    }


def _queue(now: Statistics) -> dict[str, object]:
    # Redis was asked within the last second, or does not answer: then nothing is known.
    exists = False if CONSUMER in now.obstacles else None if now.stream_length is None else True
    return {
        "stream": {
            "name": now.build.stream,
            "exists": exists,
            "length": now.stream_length,
            "last_id": now.last_id,
            "last_entry_age_s": now.last_entry_age_s,
        },
        "group": {
            "name": now.build.group,
            "exists": exists,
            "lag": now.lag,
            "pending": now.pending_entries,
            "oldest_pending_age_s": now.oldest_pending_age_s,
        },
    }


def _schema_ok(now: Statistics) -> bool | None:
    if SCHEMA in now.obstacles:
        return False
    return True if now.dependencies[POSTGRES].ready else None


def _counts(now: Statistics) -> dict[str, object]:
    """Since the start of this process."""
    return {
        "read": now.records_read,
        "written": dict(now.position_writes),
        "acked": now.acks,
        "claimed": now.entries_claimed,
        "lost": now.entries_lost,
        "retried": sum(now.write_retries.values()),
        "last_record_age_s": now.last_record_age_s,
        "devices": now.device_state_size,
    }


def _failures(now: Statistics) -> list[dict[str, object]]:
    """By code, the newest first: since the start of this process."""
    newest_first = sorted(now.refusals.items(), key=lambda each: -each[1].newest_at_ms)
    return [
        {
            "code": code,
            "records": refusals.records,
            "dead_letters": now.dead_letters.get(code, 0),
            "newest_id": refusals.newest_id,
            "newest_at": iso_of_unix_ms(refusals.newest_at_ms),
            "newest_age_s": max(0.0, (clocks.unix_ms() - refusals.newest_at_ms) / 1000),
            "sqlstate": refusals.sqlstate,
        }
        for code, refusals in newest_first
    ]


def _counted(by_code: Mapping[str, int]) -> dict[str, int]:
    return {code: count for code, count in by_code.items() if count}
