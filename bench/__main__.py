"""`python -m bench`: all comparisons, as tables or as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from bench.ages import AGES
from bench.bisection import run_bisection
from bench.codec import CodecResult, run_codec
from bench.ingestion.comparison import IngestionResult, run_ingestion
from bench.ingestion.report import print_ingestion
from bench.ingestion.setting import IngestionScale
from bench.measure import BenchError
from bench.options import add_servers_option
from bench.paced.comparison import Extra, run_paced
from bench.paced.report import print_paced
from bench.paced.result import PacedResult, PacedScale
from bench.paths import run_paths
from bench.report import as_json, print_codec, print_service
from bench.report_paths import WritePaths, print_paths
from bench.service import Filling, ServiceResult, run_service
from bench.small_paths import run_small_paths
from dev.servers import Choice, ServerError
from telemetry.chassis.errors import TelemetryError

INTERRUPTED = 130
PARTS = ["codec", "service", "paths", "ingestion", "paced"]


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    codec_records: int
    codec_rounds: int
    service_entries: int
    service_rounds: int
    path_batches: int
    path_rounds: int
    small_batches: int
    ingestion: IngestionScale
    paced: PacedScale


FULL = Scale(
    codec_records=20_000,
    codec_rounds=15,
    service_entries=300_000,
    service_rounds=3,
    path_batches=3,
    path_rounds=3,
    small_batches=1_000,
    ingestion=IngestionScale(rounds=3, seconds=5, connections=5000, growth_s=30),
    paced=PacedScale(rounds=3, seconds=20),
)
QUICK = Scale(
    codec_records=5_000,
    codec_rounds=3,
    service_entries=30_000,
    service_rounds=1,
    path_batches=2,
    path_rounds=1,
    small_batches=100,
    ingestion=IngestionScale(rounds=1, seconds=2, connections=5000, growth_s=10),
    paced=PacedScale(rounds=1, seconds=5),
)


def main() -> int:
    """Run the comparisons that were asked for. Returns 0, or 1 when a server or a contender failed."""
    options = _options()
    scale = QUICK if options.quick else FULL
    errors = Console(stderr=True)
    # With --json, standard output only holds the object.
    console = errors if options.json else Console()
    try:
        asked = [options.only] if options.only else PARTS
        codec = _codec(options, scale, console, errors) if "codec" in asked else None
        service = _service(options, scale, console, errors) if "service" in asked else None
        paths = _paths(options, scale, console, errors) if "paths" in asked else None
        ingestion = _ingestion(options, scale, console, errors) if "ingestion" in asked else None
        paced = _paced(options, scale, console, errors) if "paced" in asked else None
    except (BenchError, ServerError, TelemetryError) as error:
        errors.print(f"bench: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    if options.json:
        print(json.dumps(as_json(codec, service, paths, ingestion, paced)))
    return 0


def _codec(
    options: argparse.Namespace, scale: Scale, console: Console, errors: Console
) -> list[CodecResult]:
    results = run_codec(
        rounds=options.codec_rounds or scale.codec_rounds,
        records=scale.codec_records,
        progress=lambda text: errors.print(text, style="dim", markup=False),
    )
    print_codec(console, results)
    return results


def _service(
    options: argparse.Namespace, scale: Scale, console: Console, errors: Console
) -> ServiceResult:
    result = run_service(
        filling=Filling(options.entries or scale.service_entries, options.ages),
        rounds=options.rounds or scale.service_rounds,
        writers=options.writers,
        choice=Choice(options.servers),
        progress=lambda text: errors.print(text, style="dim", markup=False),
    )
    print_service(console, result)
    return result


def _paths(
    options: argparse.Namespace, scale: Scale, console: Console, errors: Console
) -> WritePaths:
    rounds = options.rounds or scale.path_rounds
    choice = Choice(options.servers)

    def progress(text: str) -> None:
        errors.print(text, style="dim", markup=False)

    paths = run_paths(batches=scale.path_batches, rounds=rounds, choice=choice, progress=progress)
    small = run_small_paths(
        batches=scale.small_batches, rounds=rounds, choice=choice, progress=progress
    )
    bisections = run_bisection(rounds=rounds, choice=choice, progress=progress)
    print_paths(console, paths, small, bisections)
    return paths, small, bisections


def _ingestion(
    options: argparse.Namespace, scale: Scale, console: Console, errors: Console
) -> IngestionResult:
    asked = replace(
        scale.ingestion,
        rounds=options.rounds or scale.ingestion.rounds,
        growth_s=60 * options.minutes if options.minutes else scale.ingestion.growth_s,
    )
    result = run_ingestion(
        asked,
        Choice(options.servers),
        progress=lambda text: errors.print(text, style="dim", markup=False),
    )
    print_ingestion(console, result)
    return result


def _paced(
    options: argparse.Namespace, scale: Scale, console: Console, errors: Console
) -> PacedResult:
    asked = replace(
        scale.paced,
        rounds=options.rounds or scale.paced.rounds,
        paces=tuple(options.paces),
        seconds=options.seconds or scale.paced.seconds,
    )
    result = run_paced(
        asked,
        Choice(options.servers),
        progress=lambda text: errors.print(text, style="dim", markup=False),
        extra=Extra(options.read_intervals, options.processor),
    )
    print_paced(console, result)
    return result


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Compares the codec with Python's best, the service with an asyncio service"
        " and psql, the ways to write a batch with each other, tcp-ingestion with services of other languages,"
        " and the processor with others at everyday paces.",
    )
    parser.add_argument("--only", choices=PARTS, help="one comparison alone")
    parser.add_argument("--quick", action="store_true", help="a small run: seconds, and less sure")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--entries", type=_count, help=f"in the stream ({FULL.service_entries:,})")
    parser.add_argument(
        "--ages",
        choices=AGES,
        default="live",
        help="how old the entries in the stream are: live, of any day of a month, live with one stray"
        " in a thousand, or backwards, so that none is provably new (live)",
    )
    parser.add_argument(
        "--rounds",
        type=_count,
        help=f"of the service ({FULL.service_rounds}), of the write paths ({FULL.path_rounds})"
        f", of tcp-ingestion ({FULL.ingestion.rounds}) and of each pace ({FULL.paced.rounds})",
    )
    parser.add_argument(
        "--minutes",
        type=_count,
        help="of frames, reconnects and rubbish over which tcp-ingestion's memory is to stay the same"
        f" ({FULL.ingestion.growth_s:.0f} s)",
    )
    parser.add_argument(
        "--paces",
        type=_count,
        nargs="+",
        default=FULL.paced.paces,
        help="of the paced comparison, records a second (100 1000 10000)",
    )
    parser.add_argument("--seconds", type=_count, help="of a paced run (20)")
    parser.add_argument(
        "--read-intervals",
        type=int,
        nargs="+",
        default=[],
        help="values of READ_INTERVAL_MS that are measured at each pace as well, of the processor and the peer in Go",
    )
    parser.add_argument(
        "--processor",
        type=Path,
        action="append",
        default=[],
        help="the command of another build (CHECKOUT/.venv/bin/processor), measured at each pace as well",
    )
    parser.add_argument("--codec-rounds", type=_count, help=f"of the codec ({FULL.codec_rounds})")
    parser.add_argument(
        "--writers",
        type=_count,
        nargs="+",
        default=[1, 2],
        help="the values of WRITERS that are measured, the first for the headline (1 2)",
    )
    add_servers_option(parser)
    return parser.parse_args()


def _count(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


if __name__ == "__main__":
    sys.exit(main())
