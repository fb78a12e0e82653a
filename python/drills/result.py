"""Report: the outcome of a drill, and its figures as one JSON object."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drills.judgement import Bounds, nearest_rank

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drills.observed import Life
    from drills.plan import Fault


@dataclass(frozen=True, slots=True)
class Series:
    """Totals over time, for a plot."""

    seconds: Sequence[float]
    """Since the start of the drill."""
    totals: Mapping[str, Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Result(ABC):
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
    violations: tuple[str, ...]

    @property
    def drains_ms(self) -> list[float]:
        """How long each drain took, round by round."""
        return [life.drain_ms for life in self.lives if life.drain_ms is not None]

    @property
    def exit_codes(self) -> dict[int, int]:
        """How many rounds ended with which exit code."""
        return dict(sorted(Counter(life.exit_code for life in self.lives).items()))

    @abstractmethod
    def findings(self) -> dict[str, Any]:
        """What was counted of the service's work; None where nothing was measured."""

    @abstractmethod
    def finding_rows(self) -> list[tuple[str, str]]:
        """The same for people, each with its name."""

    @abstractmethod
    def series(self) -> Series | None:
        """Totals over time; None without samples."""

    def figures(self) -> dict[str, Any]:
        """Everything countable; None where nothing was measured."""
        drains = self.drains_ms
        return {
            "drill": self.name,
            "fault": self.fault.value,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "rounds": len(self.lives),
            "violations": len(self.violations),
            **self.findings(),
            "drain_budget_ms": self.bounds.budget_ms,
            "drain_ms_p50": rounded(nearest_rank(drains, 50)),
            "drain_ms_p99": rounded(nearest_rank(drains, 99)),
            "drain_ms_max": rounded(max(drains, default=None)),
            "exit_codes": {str(code): count for code, count in self.exit_codes.items()},
            "violation_texts": list(self.violations),
        }

    def as_json(self) -> str:
        """One JSON object on one line."""
        return json.dumps(self.figures(), separators=(",", ":"))


def rounded(value: float | None) -> float | None:
    """A time as it is shown; None stays None."""
    return None if value is None else round(value, 1)


def times(*values: float | None) -> str:
    """Times for people: `12 / 34 ms`, or `-` where one was not measured."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return "-"
    return " / ".join(f"{value:,.0f}" for value in known) + " ms"
