"""Devices that send frames: what a frame costs, how many go through, and how long an answer takes."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from bench.ingestion.load import Load, Tally
from bench.ingestion.servers import running
from bench.measure import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.ingestion.contenders import Contender
    from bench.ingestion.servers import BenchRedis
    from bench.ingestion.setting import Setting
    from bench.ingestion.workloads import Workload


@dataclass(frozen=True)
class Run:
    """One run: the CPU time of the service and of Redis meanwhile, and what the devices saw."""

    cpu_s: float
    redis_cpu_s: float
    resident_bytes: int
    tally: Tally


@dataclass(frozen=True)
class Figures:
    """Medians of one contender's runs under one workload."""

    cpu_us_per_frame: float
    cpu_us_per_record: float
    redis_cpu_us_per_record: float
    frames_per_second: float
    p50_ms: float
    p99_ms: float
    resident_bytes: float


def compare(setting: Setting, workload: Workload) -> dict[str, Figures]:
    """Measure all contenders in turn. Raises BenchError when one leaves an answer or an entry out."""
    runs = setting.in_turn(
        workload.title,
        lambda contender: _run(workload, contender, setting.redis, setting.scale.seconds),
    )
    return {name: _figures(kept) for name, kept in runs.items()}


def _run(workload: Workload, contender: Contender, redis: BenchRedis, seconds: float) -> Run:
    with (
        running(contender, redis) as service,
        Load(workload.arguments(seconds), port=service.port, length_s=seconds) as load,
    ):
        load.part("logins").check(f"{contender.name}, logins")
        load.go_on()
        warm_up = load.part("warm_up")
        warm_up.check(f"{contender.name}, warm-up")
        cpu_s, redis_cpu_s = service.cpu_s(), redis.cpu_s()
        load.go_on()
        service.scrape()
        tally = load.part("measured")
        run = Run(
            cpu_s=service.cpu_s() - cpu_s,
            redis_cpu_s=redis.cpu_s() - redis_cpu_s,
            resident_bytes=service.resident_bytes(),
            tally=tally,
        )
        tally.check(contender.name)
        check_entries(redis, contender, [warm_up, tally])
        load.go_on()
        return run


def check_entries(redis: BenchRedis, contender: Contender, tallies: Sequence[Tally]) -> None:
    """Check that the stream was given as many entries as records were answered. Raises BenchError."""
    answered = sum(tally.records for tally in tallies)
    if (added := redis.entries_added()) != answered:
        raise BenchError(
            f"{contender.name} answered {answered:,} records, the stream was given {added:,}"
        )


def _figures(runs: Sequence[Run]) -> Figures:
    def middle(figure: Callable[[Run], float]) -> float:
        return median(map(figure, runs))

    return Figures(
        cpu_us_per_frame=middle(lambda run: run.cpu_s / run.tally.answered * 1e6),
        cpu_us_per_record=middle(lambda run: run.cpu_s / run.tally.records * 1e6),
        redis_cpu_us_per_record=middle(lambda run: run.redis_cpu_s / run.tally.records * 1e6),
        frames_per_second=middle(lambda run: run.tally.answered / run.tally.seconds),
        p50_ms=middle(lambda run: run.tally.p50_ms),
        p99_ms=middle(lambda run: run.tally.p99_ms),
        resident_bytes=middle(lambda run: run.resident_bytes),
    )
