"""Which process an instance is, as it shows itself to operators."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from telemetry.chassis import clocks
from telemetry.chassis.times import iso_of_unix_ms

if TYPE_CHECKING:
    from processor.journal.statistics import Statistics


@dataclass(frozen=True, slots=True)
class Identity:
    """Made once, when the service starts."""

    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    started_at_ms: int = field(default_factory=clocks.unix_ms)
    """Unix time."""

    def describe(self, now: Statistics, *, log_level: str) -> dict[str, object]:
        """One of `instances[]` in contract section 10."""
        return {
            "instance_id": now.build.instance_id,
            "consumer": now.build.consumer,
            "version": now.build.version,
            "host": self.host,
            "pid": self.pid,
            "started_at": iso_of_unix_ms(self.started_at_ms),
            "phase": now.phase.value,
            "in_flight": now.in_flight_records,
            "ledger": asdict(now.ledger),
            "log_level": log_level,
        }
