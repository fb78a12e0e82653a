"""Which process an instance is, as it shows itself to operators."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from telemetry.chassis import clocks
from telemetry.chassis.times import iso_of_unix_ms

if TYPE_CHECKING:
    from telemetry.chassis.lifecycle import Phase


@dataclass(frozen=True, slots=True)
class Process:
    """Made once, when the service starts."""

    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    started_at_ms: int = field(default_factory=clocks.unix_ms)
    """Unix time."""

    def shown(self, phase: Phase) -> dict[str, object]:
        """The fields of `instances[]` in contract section 10 that any process has."""
        return {
            "host": self.host,
            "pid": self.pid,
            "started_at": iso_of_unix_ms(self.started_at_ms),
            "phase": phase.value,
        }
