"""Who this instance is, and what it is doing."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import trio

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
        """The fields of `processor instances`, and some counters."""
        await trio.lowlevel.checkpoint()
        now = self._snapshot()
        return {
            **self._identity.describe(now, log_level=self._levels.level),
            # For who watches: what happened between two looks is the difference.
            "counters": {
                "records_read": now.records_read,
                "position_writes": dict(now.position_writes),
                "write_durations": asdict(now.write_durations),
                "acks": now.acks,
            },
        }
