"""Interleaved rounds and their medians: noise that lasts longer than a round falls on all alike."""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

T = TypeVar("T")


class BenchError(Exception):
    """Something went wrong, so that the figures would mean nothing; the message says what."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one run: CPU time, user and system, and wall-clock time."""

    cpu_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The median and the best of one contender's runs."""

    cpu_s: float
    cpu_min_s: float
    wall_s: float
    wall_min_s: float


def interleave(
    contenders: Mapping[str, Callable[[], T]],
    *,
    rounds: int,
    before_run: Callable[[int, str], None] = lambda _round, _name: None,
) -> dict[str, list[T]]:
    """Run A B C A B C ..., `rounds` times; each contender's results in order."""
    results: dict[str, list[T]] = {name: [] for name in contenders}
    for number in range(1, rounds + 1):
        for name, run in contenders.items():
            before_run(number, name)
            results[name].append(run())
    return results


def timed(run: Callable[[], None]) -> Cost:
    """The cost of `run` in this process."""
    gc.collect()
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    run()
    return Cost(cpu_s=time.process_time() - cpu_s, wall_s=time.perf_counter() - wall_s)


def summarise(costs: Iterable[Cost]) -> Summary:
    """Medians and minima. `costs` holds one at least."""
    kept = list(costs)
    cpu = [cost.cpu_s for cost in kept]
    wall = [cost.wall_s for cost in kept]
    return Summary(
        cpu_s=statistics.median(cpu),
        cpu_min_s=min(cpu),
        wall_s=statistics.median(wall),
        wall_min_s=min(wall),
    )
