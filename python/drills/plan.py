"""What happens in which round, and when: drawn beforehand from the seed, so that a drill can be run again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum

# The longest pause between a freeze and the stop request: long enough for work to pile up before the frozen server.
FROZEN_BEFORE_STOP_MS_MAX = 500


class Fault(Enum):
    """What is done to the service in each round."""

    SIGTERM = "sigterm"
    """A stop request."""
    KILL9 = "kill9"
    """SIGKILL: no drain, no last words."""
    FREEZE_POSTGRES = "freeze-postgres"
    """PostgreSQL stops answering, then a stop request."""
    FREEZE_REDIS = "freeze-redis"
    """Redis stops answering, then a stop request."""

    @property
    def freezes(self) -> bool:
        """Whether a server stops answering before the stop request."""
        return self in {Fault.FREEZE_POSTGRES, Fault.FREEZE_REDIS}


@dataclass(frozen=True, slots=True)
class Round:
    """One life of the service. Times are milliseconds; the first counts from `processor ready`."""

    number: int
    """From 0."""
    instance: int
    """Which of the consumer names it takes."""
    backlog: int
    """Records published before it starts."""
    fault_after_ms: float
    """Until the server freezes, or else until the signal."""
    signal_after_ms: float
    """From the freeze to the stop request; 0 where nothing freezes."""
    thaw_after_ms: float | None
    """From the stop request until the server answers again; None: it stays frozen until the process has ended."""


@dataclass(frozen=True, slots=True)
class DrillPlan:
    """What was asked for; the same plan gives the same rounds."""

    fault: Fault
    rounds: int
    seed: int
    backlog: int
    """Records that wait before every second round."""
    within_ms: int
    """The fault comes at most so long after readiness."""
    instances: int
    """Consumer names, taken in turn."""
    budget_ms: int
    """What a drain may take."""

    def draw(self) -> tuple[Round, ...]:
        """The rounds in order.

        A frozen server comes back within the drain budget in every second pair of rounds, and not before the end of
        the process in the others; of each pair one round has a backlog.
        """
        source = random.Random(self.seed)  # noqa: S311 - replayed, not secret
        return tuple(self._round(number, source) for number in range(self.rounds))

    def _round(self, number: int, source: random.Random) -> Round:
        fault_after_ms = source.uniform(0, self.within_ms)
        frozen_ms = source.uniform(0, FROZEN_BEFORE_STOP_MS_MAX)
        thaw_ms = source.uniform(0, self.budget_ms / 2)
        thaws = self.fault.freezes and number // 2 % 2 == 1
        return Round(
            number=number,
            instance=number % self.instances,
            backlog=self.backlog if number % 2 == 0 else 0,
            fault_after_ms=fault_after_ms,
            signal_after_ms=frozen_ms if self.fault.freezes else 0.0,
            thaw_after_ms=thaw_ms if thaws else None,
        )
