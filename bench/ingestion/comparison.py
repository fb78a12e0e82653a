"""All of the ingestion's comparisons, on one Redis."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.ingestion.contenders import ours, peers
from bench.ingestion.crowds import (
    Drain,
    Growth,
    Silence,
    Storm,
    compare_silence,
    compare_storms,
    measure_drain,
    measure_growth,
)
from bench.ingestion.load import build_load
from bench.ingestion.sending import WORKLOADS, Figures, compare
from bench.ingestion.servers import launch_bench_redis
from bench.ingestion.setting import IngestionScale, Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dev.servers import Choice


@dataclass(frozen=True)
class IngestionResult:
    """What was measured, by contender; figures of sending by workload, too."""

    scale: IngestionScale
    redis: str
    titles: Mapping[str, str]
    load_before: float
    """The machine's load average of a minute."""
    load_after: float
    sending: Mapping[str, Mapping[str, Figures]]
    silence: Mapping[str, Silence]
    storms: Mapping[str, Storm]
    growth: Growth
    drain: Drain


def run_ingestion(
    scale: IngestionScale, choice: Choice, progress: Callable[[str], None]
) -> IngestionResult:
    """Measure tcp-ingestion and the peers in turn; growth and drain are tcp-ingestion's alone.

    Raises BenchError when one of them leaves an answer or an entry out, or invents one.
    """
    progress("ingestion: building the load generator and the peers")
    build_load()
    service = ours()
    contenders = [service, *peers(progress)]
    load_before, _, _ = os.getloadavg()
    with launch_bench_redis(choice) as redis:
        setting = Setting(contenders, redis, scale, progress)
        sending = {workload.name: compare(setting, workload) for workload in WORKLOADS}
        silence, storms = compare_silence(setting), compare_storms(setting)
        progress(f"ingestion: growth over {scale.growth_s:.0f} s")
        growth = measure_growth(setting, service)
        progress("ingestion: drain under full load")
        drain = measure_drain(setting, service)
        return IngestionResult(
            scale=scale,
            redis=f"{redis.server.product} {redis.server.version}",
            titles={contender.name: contender.title for contender in contenders},
            load_before=load_before,
            load_after=os.getloadavg()[0],
            sending=sending,
            silence=silence,
            storms=storms,
            growth=growth,
            drain=drain,
        )
