"""What a paced comparison has measured."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class PacedScale:
    """How much is measured."""

    rounds: int
    seconds: float
    """Of each run, behind its warm-up."""
    warm_up_s: float = 2.0
    paces: tuple[int, ...] = (100, 1_000, 10_000)
    """Records a second."""


@dataclass(frozen=True)
class Run:
    """One run at one pace: CPU time between two quiet moments, and what the table itself says of the latency."""

    records: int
    cpu_s: float
    redis_cpu_s: float
    postgres_cpu_s: float
    p50_ms: float
    p99_ms: float
    commits: int
    resident_bytes: int
    late_p99_ms: float
    """How late the producer sent: what is far over a millisecond came in bursts."""


@dataclass(frozen=True)
class Figures:
    """Medians of one contender's runs at one pace."""

    cpu_us_per_record: float
    redis_cpu_us_per_record: float
    postgres_cpu_us_per_record: float
    p50_ms: float
    """From XADD to commit."""
    p99_ms: float
    records_per_commit: float
    resident_bytes: float
    late_p99_ms: float


@dataclass(frozen=True)
class PacedResult:
    """Medians by pace and contender."""

    scale: PacedScale
    servers: str
    titles: Mapping[str, str]
    """What each contender is."""
    peers: tuple[str, ...]
    """Those of the contenders that the processor is measured by."""
    load_before: float
    """The machine's load average of a minute."""
    load_after: float
    figures: Mapping[int, Mapping[str, Figures]]

    def best_peer(self, pace: int, figure: Callable[[Figures], float]) -> float | None:
        """The least of the peers' figures; None if there was no peer."""
        measured = self.figures.get(pace, {})
        return min(
            (figure(measured[name]) for name in self.peers if name in measured), default=None
        )

    def cpu_by_best_peer(self, pace: int, name: str) -> float | None:
        """CPU time a record by that of the peer that needs least; None where one of them was not measured."""
        mine = self.figures.get(pace, {}).get(name)
        best = self.best_peer(pace, lambda each: each.cpu_us_per_record)
        return None if mine is None or best is None else mine.cpu_us_per_record / best


def figures_of(runs: Sequence[Run]) -> Figures:
    """The medians. `runs` holds one at least."""

    def middle(figure: Callable[[Run], float]) -> float:
        return median(map(figure, runs))

    return Figures(
        cpu_us_per_record=middle(lambda run: run.cpu_s / run.records * 1e6),
        redis_cpu_us_per_record=middle(lambda run: run.redis_cpu_s / run.records * 1e6),
        postgres_cpu_us_per_record=middle(lambda run: run.postgres_cpu_s / run.records * 1e6),
        p50_ms=middle(lambda run: run.p50_ms),
        p99_ms=middle(lambda run: run.p99_ms),
        records_per_commit=middle(lambda run: run.records / run.commits),
        resident_bytes=middle(lambda run: run.resident_bytes),
        late_p99_ms=middle(lambda run: run.late_p99_ms),
    )
