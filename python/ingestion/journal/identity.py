"""Which process an instance is, as it shows itself to operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.chassis.identity import Process

if TYPE_CHECKING:
    from ingestion.journal.statistics import Statistics

PUBLISHED = "published"
"""The class of the ledger that says how much an instance has done."""


@dataclass(frozen=True, slots=True)
class Identity(Process):
    """Made once, when the service starts."""

    def describe(self, now: Statistics, *, log_level: str) -> dict[str, object]:
        """One of `instances[]` in contract section 10. There are no consumers here."""
        return {
            "instance_id": now.build.instance_id,
            "consumer": None,
            "version": now.build.version,
            **self.shown(now.phase),
            "in_flight": now.load.queue_records,
            "ledger": {
                PUBLISHED: sum(now.records_published.values()),
                **frames_by_result(now),
            },
            "connections": now.load.connections,
            "log_level": log_level,
        }


def frames_by_result(now: Statistics) -> dict[str, int]:
    """Frames since the start, of all codecs."""
    found: dict[str, int] = {}
    for (_, result), frames in now.frames.items():
        found[result] = found.get(result, 0) + frames
    return found
