"""What all comparisons of the ingestion share: who is compared, on which Redis, and how much is measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from bench.ingestion.workloads import WORKLOADS, Workload
from bench.measure import interleave

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.ingestion.contenders import Contender
    from bench.ingestion.servers import BenchRedis

T = TypeVar("T")


@dataclass(frozen=True)
class IngestionScale:
    """How much is measured."""

    rounds: int
    seconds: float
    """Of each run that sends, behind its warm-up."""
    connections: int
    """Silent ones, those of the storm and those of the drain."""
    growth_s: float
    workloads: tuple[Workload, ...] = WORKLOADS


@dataclass(frozen=True)
class Setting:
    """The contenders, their Redis, and the scale."""

    contenders: Sequence[Contender]
    redis: BenchRedis
    scale: IngestionScale
    progress: Callable[[str], None]

    def in_turn(self, title: str, measure: Callable[[Contender], T]) -> dict[str, list[T]]:
        """Measure all contenders in turn, in every round; each one's results in order."""
        rounds = self.scale.rounds
        return interleave(
            {contender.name: partial(measure, contender) for contender in self.contenders},
            rounds=rounds,
            before_run=lambda number, name: self.progress(
                f"ingestion: {title}: round {number} of {rounds}, {name}"
            ),
        )
