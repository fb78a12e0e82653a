"""Plan: what an operator asks of a drill, and what happens in which round, drawn from the seed beforehand."""

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
    """SIGKILL: no drain, no last log line."""
    FREEZE_POSTGRES = "freeze-postgres"
    """PostgreSQL stops answering, then a stop request."""
    FREEZE_REDIS = "freeze-redis"
    """Redis stops answering, then a stop request."""

    @property
    def freezes(self) -> bool:
        """Whether a server stops answering before the stop request."""
        return self in {Fault.FREEZE_POSTGRES, Fault.FREEZE_REDIS}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillOptions:
    """What the operator chose; times are milliseconds. The same options give the same rounds."""

    fault: Fault
    rounds: int
    seed: int
    rate: int
    """What is done a second, all the time."""
    within_ms: int
    """The fault comes at most this long after readiness."""
    tolerance_ms: int
    """How much longer than allowed an end may take."""
    backlog: int = 0
    """Records that wait before every second round."""
    instances: int = 1
    """Names of the service, taken in turn."""


@dataclass(frozen=True, slots=True)
class Round:
    """One life of the service. Times are milliseconds; the first counts from `processor ready`."""

    number: int
    """From 0."""
    instance: int
    """Which of the names it takes."""
    backlog: int
    """Records published before it starts."""
    fault_after_ms: float
    """Until the server freezes, or else until the signal."""
    signal_after_ms: float
    """From the freeze to the stop request; 0 where nothing freezes."""
    thaw_after_ms: float | None
    """From the stop request until the server answers again; None: it stays frozen until the process has ended."""


def draw_rounds(options: DrillOptions, drain_budget_ms: int) -> tuple[Round, ...]:
    """The rounds in order.

    In every second pair of rounds a frozen server comes back within the drain budget; in the others it stays frozen
    until the process has ended. One round of each pair has a backlog.
    """
    source = random.Random(options.seed)  # noqa: S311 - replayed, not secret
    return tuple(
        _draw_round(number, options, drain_budget_ms, source) for number in range(options.rounds)
    )


def _draw_round(
    number: int, options: DrillOptions, drain_budget_ms: int, source: random.Random
) -> Round:
    # All three are drawn in each round, so that the same seed gives the same moments for every fault.
    fault_after_ms = source.uniform(0, options.within_ms)
    frozen_ms = source.uniform(0, FROZEN_BEFORE_STOP_MS_MAX)
    thaw_ms = source.uniform(0, drain_budget_ms / 2)
    freezes = options.fault.freezes
    thaws = freezes and number // 2 % 2 == 1
    return Round(
        number=number,
        instance=number % options.instances,
        backlog=options.backlog if number % 2 == 0 else 0,
        fault_after_ms=fault_after_ms,
        signal_after_ms=frozen_ms if freezes else 0.0,
        thaw_after_ms=thaw_ms if thaws else None,
    )
