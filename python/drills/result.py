"""Report: the outcome of a drill, its samples over time, and its figures as one JSON object."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drills.judgement import Bounds, FinalState, nearest_rank

if TYPE_CHECKING:
    from drills.observed import Life
    from drills.plan import Fault

SAMPLES_MAX = 2_048
FIRST_INTERVAL_S = 0.1


@dataclass(frozen=True, slots=True)
class Sample:
    """Totals since the start of the drill, `at_s` seconds after it."""

    at_s: float
    published: int
    read: int
    acked: int
    released: int


@dataclass(slots=True)
class Timeline:
    """The samples so far, oldest first, and how long to wait for the next one.

    Memory is bounded: a full timeline drops every second sample, and is then filled half as often.
    """

    samples: list[Sample] = field(default_factory=list)
    interval_s: float = FIRST_INTERVAL_S

    def add(self, sample: Sample) -> None:
        """Take a sample."""
        self.samples.append(sample)
        if len(self.samples) >= SAMPLES_MAX:
            del self.samples[1::2]
            self.interval_s *= 2


@dataclass(frozen=True, slots=True)
class Result:
    """A drill that ran to its end. Times are milliseconds."""

    name: str
    fault: Fault
    seed: int
    bounds: Bounds
    seconds: float
    lives: tuple[Life, ...]
    """One a round."""
    last_life: Life
    """The one that settled the rest; its drain is not counted."""
    ending: FinalState
    violations: tuple[str, ...]
    samples: tuple[Sample, ...]

    @property
    def drains_ms(self) -> list[float]:
        """How long each drain took, round by round."""
        return [life.drain_ms for life in self.lives if life.drain_ms is not None]

    @property
    def takeovers_ms(self) -> list[float]:
        """How long released entries waited for an instance that was ready."""
        lives = (*self.lives, self.last_life)
        return [life.takeover_ms for life in lives if life.takeover_ms is not None]

    @property
    def released(self) -> int:
        """Entries that were released in Redis when each life had ended."""
        return sum(life.left.released for life in (*self.lives, self.last_life))

    @property
    def released_unread(self) -> int:
        """Entries released that were delivered and never read, by each life's last log line."""
        lines = (life.last_line for life in (*self.lives, self.last_life))
        return sum(each.ledger.released_unread for each in lines if each is not None)

    @property
    def exit_codes(self) -> dict[int, int]:
        """How many rounds ended with which exit code."""
        return dict(sorted(Counter(life.exit_code for life in self.lives).items()))

    def figures(self) -> dict[str, Any]:
        """Everything countable; None where nothing was measured."""
        drains, takeovers = self.drains_ms, self.takeovers_ms
        return {
            "drill": self.name,
            "fault": self.fault.value,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "rounds": len(self.lives),
            "violations": len(self.violations),
            "published": self.ending.tally.published,
            "rows": self.ending.tally.rows,
            "lost": len(self.ending.lost),
            "written_twice": self.ending.written_twice,
            "dead_lettered": len(self.ending.dead_lettered),
            "left_pending": self.ending.group.pending,
            "released": self.released,
            "released_unread": self.released_unread,
            "takeover_ms_p50": _rounded(nearest_rank(takeovers, 50)),
            "takeover_ms_max": _rounded(max(takeovers, default=None)),
            "drain_budget_ms": self.bounds.budget_ms,
            "drain_ms_p50": _rounded(nearest_rank(drains, 50)),
            "drain_ms_p99": _rounded(nearest_rank(drains, 99)),
            "drain_ms_max": _rounded(max(drains, default=None)),
            "exit_codes": {str(code): count for code, count in self.exit_codes.items()},
            "consumers_left": [name for name, _ in self.ending.group.consumers],
            "violation_texts": list(self.violations),
        }

    def as_json(self) -> str:
        """One JSON object on one line."""
        return json.dumps(self.figures(), separators=(",", ":"))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
