"""The results as tables for people and as one JSON object for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.codec import MEMCPY, OURS, PEER
from bench.ingestion.report import ingestion_json
from bench.paced.report import paced_json
from bench.report_paths import paths_json
from bench.service import ASYNCIO, COPY, processor_name
from bench.tabular import new_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from bench.codec import CodecResult
    from bench.ingestion.comparison import IngestionResult
    from bench.paced.result import PacedResult
    from bench.report_paths import WritePaths
    from bench.service import ServiceResult

CODEC_COLUMNS = ("CPU ns", "best ns", "wall ns", "records/s", "MB/s")
SERVICE_COLUMNS = (
    "records/s",
    "wall s",
    "CPU µs",
    "Redis µs",
    "Postgres µs",
    "share",
)


def print_codec(console: Console, results: Sequence[CodecResult]) -> None:
    """Reply bytes to COPY bytes, a table for each workload."""
    for result in results:
        console.print(_codec_table(result))
        console.print(
            f"codec, {result.workload}: [bold]{result.times_faster:.1f} times faster[/]\n"
        )


def _codec_table(result: CodecResult) -> Table:
    table = new_table(
        f"Reply bytes to COPY bytes: {result.workload},"
        f" {result.records:,} entries of {result.reply_bytes / result.records:.0f} bytes",
        CODEC_COLUMNS,
    )
    for name in (OURS, PEER, MEMCPY):
        cost = result.costs[name]
        table.add_row(
            name,
            f"{cost.cpu_s / result.records * 1e9:,.0f}",
            f"{cost.cpu_min_s / result.records * 1e9:,.0f}",
            f"{cost.wall_s / result.records * 1e9:,.0f}",
            f"{result.records / cost.wall_s:,.0f}",
            f"{result.reply_bytes / cost.wall_s / 1e6:,.0f}",
        )
    return table


def print_service(console: Console, result: ServiceResult) -> None:
    """The service end to end, and the two headlines."""
    console.print(_service_table(result))
    for line in (
        f"medians, interleaved rounds: {result.rounds}; share: of what \\copy reaches",
        f"{result.servers}; fsync off, synchronous_commit on",
        f"\\copy by {result.psql}",
    ):
        console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)
    console.print(f"service: [bold]{result.times_less_cpu:.1f} times less CPU[/]")
    for writers in result.writers:
        share = result.share_of_limit(processor_name(writers))
        console.print(f"share of the limit, WRITERS={writers}: [bold]{share:.2f}[/]")


def _service_table(result: ServiceResult) -> Table:
    table = new_table(
        f"A stream of {result.entries:,} entries, {result.ages},"
        f" to committed and acked rows of a {result.table}",
        SERVICE_COLUMNS,
    )
    for name, run in result.runs.items():
        table.add_row(
            name,
            f"{result.records_per_second(name):,.0f}",
            f"{run.cost.wall_s:.2f}",
            f"{run.cost.cpu_s / result.records(name) * 1e6:.2f}",
            f"{run.redis_cpu_s / result.records(name) * 1e6:.2f}",
            f"{run.postgres_cpu_s / result.records(name) * 1e6:.2f}",
            f"{result.share_of_limit(name):.2f}",
        )
    return table


def as_json(
    codec: Sequence[CodecResult] | None,
    service: ServiceResult | None,
    paths: WritePaths | None,
    ingestion: IngestionResult | None,
    paced: PacedResult | None,
) -> dict[str, object]:
    """The measured figures; a part that was left out is null."""
    return {
        "codec": None if codec is None else [codec_json(result) for result in codec],
        "service": None if service is None else service_json(service),
        "write_paths": None if paths is None else paths_json(*paths),
        "ingestion": None if ingestion is None else ingestion_json(ingestion),
        "paced": None if paced is None else paced_json(paced),
    }


def codec_json(result: CodecResult) -> dict[str, object]:
    """One workload of the codec."""
    return {
        "workload": result.workload,
        "records": result.records,
        "rows": result.rows,
        "reply_bytes": result.reply_bytes,
        "cpu_ns_per_record": {
            key: round(result.costs[name].cpu_s / result.records * 1e9, 1)
            for key, name in (("processor", OURS), ("python", PEER), ("memcpy", MEMCPY))
        },
        "times_faster": round(result.times_faster, 2),
    }


def service_json(result: ServiceResult) -> dict[str, object]:
    """The service, on one filling of the stream."""
    keys = {processor_name(count): f"processor_writers_{count}" for count in result.writers}
    keys |= {ASYNCIO: "asyncio", COPY: "psql_copy"}
    return {
        "entries": result.entries,
        "keys": result.keys,
        "ages": result.ages,
        "table": result.table,
        "rounds": result.rounds,
        "servers": result.servers,
        "psql": result.psql,
        "runs": {keys[name]: _run_json(result, name) for name in result.runs},
        "times_less_cpu": round(result.times_less_cpu, 2),
    }


def _run_json(result: ServiceResult, name: str) -> dict[str, float]:
    run, records = result.runs[name], result.records(name)
    return {
        "records_per_second": round(result.records_per_second(name)),
        "seconds": round(run.cost.wall_s, 3),
        "cpu_us_per_record": round(run.cost.cpu_s / records * 1e6, 3),
        "redis_cpu_us_per_record": round(run.redis_cpu_s / records * 1e6, 3),
        "postgres_cpu_us_per_record": round(run.postgres_cpu_s / records * 1e6, 3),
        "peak_mb": round(run.peak_bytes / 1e6, 1),
        "share_of_copy": round(result.share_of_limit(name), 3),
    }
