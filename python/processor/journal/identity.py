"""Which process an instance is, as it shows itself to operators."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field

from telemetry.chassis import clocks


@dataclass(frozen=True, slots=True)
class Identity:
    """Made once, when the service starts."""

    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    started_at_ms: int = field(default_factory=clocks.unix_ms)
    """Unix time."""
