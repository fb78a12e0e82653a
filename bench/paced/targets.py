"""What was aimed at, at a pace, beside what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.paced.contenders import OURS
from bench.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.paced.result import PacedResult

CPU_BY_BEST_PEER = {100: 0.7, 1_000: 0.5, 10_000: 0.4}
P50_MS = {100: 3.0}
P99_MS = {1_000: 15.0, 10_000: 25.0}


def targets(result: PacedResult) -> Iterator[Target]:
    """All of them; a pace that was left out is not measured."""
    for pace, bound in CPU_BY_BEST_PEER.items():
        ratio = result.cpu_by_best_peer(pace, OURS)
        yield Target(f"CPU a record by the best peer's, {pace:,}/s", ratio, bound)
    for pace, bound in P50_MS.items():
        figures = result.figures.get(pace, {}).get(OURS)
        yield Target(f"p50 in ms, {pace:,}/s", None if figures is None else figures.p50_ms, bound)
    for pace, bound in P99_MS.items():
        figures = result.figures.get(pace, {}).get(OURS)
        yield Target(f"p99 in ms, {pace:,}/s", None if figures is None else figures.p99_ms, bound)
