"""What was aimed at, beside what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.ingestion.contenders import ASYNCIO, GO, NODE, OURS
from bench.ingestion.workloads import FLAT_OUT, FLEET, LATENCY, MANY_RECORDS, ONE_RECORD
from bench.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.ingestion.comparison import IngestionResult

# What allocators and page sizes move by.
GROWTH_NOISE_MB = 1.0


def targets(result: IngestionResult) -> list[Target]:
    """All of them."""
    return [*_of_sending(result), *_of_crowds(result)]


def _of_sending(result: IngestionResult) -> Iterator[Target]:
    for workload, bounds in (
        (FLAT_OUT, ((GO, 0.75), (NODE, 0.25), (ASYNCIO, 0.15))),
        (ONE_RECORD, ((GO, 1.0),)),
        (MANY_RECORDS, ((GO, 0.6),)),
        (FLEET, ((GO, 0.85), (NODE, 0.5))),
    ):
        for peer, bound in bounds:
            yield Target(
                f"CPU a record by {peer}'s, {workload.short}",
                cpu_ratio(result, workload.name, peer),
                bound,
            )
    for peer, bound in ((GO, 1.15), (NODE, 3.5)):
        yield Target(
            f"frames/s by {peer}'s, {FLAT_OUT.short}",
            _rate_ratio(result, FLAT_OUT.name, peer),
            bound,
            at_least=True,
        )
    latency = result.sending.get(LATENCY.name, {}).get(OURS)
    p50_ms, p99_ms = (latency.p50_ms, latency.p99_ms) if latency else (None, None)
    yield Target(f"p50 in ms, {LATENCY.short}", p50_ms, 1)
    yield Target(f"p99 in ms, {LATENCY.short}", p99_ms, 10)


def _of_crowds(result: IngestionResult) -> Iterator[Target]:
    crowd = f"{result.scale.connections:,}"
    silence, storm, growth, drain = (
        result.silence[OURS],
        result.storms[OURS],
        result.growth,
        result.drain,
    )
    yield Target("KB of a silent connection", silence.bytes_per_connection / 1e3, 5)
    yield Target(f"MB in all with {crowd} of them", silence.resident_bytes / 1e6, 60)
    yield Target(
        f"MB of growth in {growth.seconds:.0f} s of churn",
        (growth.after_bytes - growth.before_bytes) / 1e6,
        GROWTH_NOISE_MB,
    )
    yield Target(f"s until {crowd} logins at once are answered", storm.logins_s, 2)
    yield Target("p99 in ms of 200 senders meanwhile", storm.senders_p99_ms, 150)
    yield Target(f"s from SIGTERM to the end, {crowd} flat out", drain.seconds, drain.budget_s)


def cpu_ratio(result: IngestionResult, workload: str, peer: str) -> float | None:
    """CPU time a record of tcp-ingestion by the peer's; None if it was not measured."""
    figures = result.sending.get(workload, {})
    if peer not in figures:
        return None
    return figures[OURS].cpu_us_per_record / figures[peer].cpu_us_per_record


def _rate_ratio(result: IngestionResult, workload: str, peer: str) -> float | None:
    figures = result.sending.get(workload, {})
    if peer not in figures:
        return None
    return figures[OURS].frames_per_second / figures[peer].frames_per_second
