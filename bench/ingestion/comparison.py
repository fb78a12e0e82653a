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
from bench.ingestion.sending import Figures, compare
from bench.ingestion.servers import launch_bench_redis
from bench.ingestion.setting import Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.ingestion.setting import IngestionScale
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
    """Measure tcp-ingestion and the peers in turn. Raises BenchError, ServerError."""
    progress("ingestion: building the load generator and the peers")
    build_load()
    contenders = [ours(), *peers(progress)]
    with launch_bench_redis(choice) as redis:
        return measure(Setting(contenders, redis, scale, progress))


def measure(setting: Setting) -> IngestionResult:
    """All comparisons of the contenders, of whom the first is tcp-ingestion; growth and drain are its alone.

    Raises BenchError when one of them leaves an answer or an entry out, or invents one.
    """
    load_before, _, _ = os.getloadavg()
    service, scale = setting.contenders[0], setting.scale
    sending = {workload.name: compare(setting, workload) for workload in scale.workloads}
    silence, storms = compare_silence(setting), compare_storms(setting)
    setting.progress(f"ingestion: growth over {scale.growth_s:.0f} s")
    growth = measure_growth(setting, service)
    setting.progress("ingestion: drain under full load")
    drain = measure_drain(setting, service)
    server = setting.redis.server
    return IngestionResult(
        scale=scale,
        redis=f"{server.product} {server.version}",
        titles={contender.name: contender.title for contender in setting.contenders},
        load_before=load_before,
        load_after=os.getloadavg()[0],
        sending=sending,
        silence=silence,
        storms=storms,
        growth=growth,
        drain=drain,
    )
