"""Who this instance is, and what it is doing."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import trio

from telemetry.chassis.times import iso_utc

if TYPE_CHECKING:
    from collections.abc import Callable

    from processor.journal.identity import Identity
    from processor.journal.statistics import Statistics
    from telemetry.chassis.control.messages import Values
    from telemetry.chassis.logs.switch import LevelSwitch


class Look:
    """Describes the instance by its own statistics."""

    def __init__(
        self, snapshot: Callable[[], Statistics], identity: Identity, levels: LevelSwitch
    ) -> None:
        self._snapshot = snapshot
        self._identity = identity
        self._levels = levels

    async def describe(self, _arguments: Values) -> Values:
        """The fields of `processor instances`, but for the instance's id, which every answer has; and some counters."""
        await trio.lowlevel.checkpoint()
        now, identity = self._snapshot(), self._identity
        return {
            "consumer": now.build.consumer,
            "version": now.build.version,
            "host": identity.host,
            "pid": identity.pid,
            "started_at": iso_utc(datetime.fromtimestamp(identity.started_at_ms / 1_000, UTC)),
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
