"""Who this instance is, and what it is doing."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import trio

from telemetry.chassis import clocks
from telemetry.chassis.times import iso_utc

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.journal.statistics import Statistics
    from telemetry.chassis.control.messages import Values
    from telemetry.chassis.logs.switch import LevelSwitch


class Look:
    """Describes the instance by its own statistics."""

    def __init__(self, snapshot: Callable[[], Statistics], levels: LevelSwitch) -> None:
        """Made when the service starts: that is the time that it shows."""
        self._snapshot = snapshot
        self._levels = levels
        self._started_at = datetime.fromtimestamp(clocks.unix_ms() / 1_000, UTC)

    async def describe(self, _arguments: Values) -> Values:
        """The fields of `processor instances`, but for the instance's id, which every answer has; and some counters."""
        await trio.lowlevel.checkpoint()
        now = self._snapshot()
        return {
            "consumer": now.build.consumer,
            "version": now.build.version,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started_at": iso_utc(self._started_at),
            "phase": now.phase.value,
            "in_flight": now.in_flight_records,
            "ledger": asdict(now.ledger),
            "log_level": self._levels.level,
            # For who watches: what happened between two looks is the difference.
            "counters": {
                "records_read": now.records_read,
                "position_writes": dict(now.position_writes),
                "write_durations": asdict(now.write_durations),
                "acks": now.acks,
            },
        }
