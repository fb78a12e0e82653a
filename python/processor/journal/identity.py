"""Which process an instance is, as it shows itself to operators."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from telemetry.chassis.identity import Process

if TYPE_CHECKING:
    from processor.journal.statistics import Statistics


@dataclass(frozen=True, slots=True)
class Identity(Process):
    """Made once, when the service starts."""

    def describe(self, now: Statistics, *, log_level: str) -> dict[str, object]:
        """One of `instances[]` in contract section 10."""
        return {
            "instance_id": now.build.instance_id,
            "consumer": now.build.consumer,
            "version": now.build.version,
            **self.shown(now.phase),
            "in_flight": now.in_flight_records,
            "ledger": asdict(now.ledger),
            "log_level": log_level,
        }
