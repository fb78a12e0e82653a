"""`make benchmarks`: measure the parts, keep their results, and draw tables and plots from what is kept."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from bench.figures.page import write_page
from bench.figures.part import Asked, Part
from bench.figures.parts import PARTS
from bench.figures.progress import progress_bar
from bench.figures.results import DIRECTORY, measured, store, stored
from bench.measure import BenchError
from bench.options import add_servers_option
from dev.servers import Choice, ServerError
from telemetry.chassis.errors import TelemetryError

INTERRUPTED = 130


def main() -> int:
    """Returns 0, or 1 when a part could not be measured; what was measured before it is kept and drawn."""
    options = _options()
    console = Console(stderr=True)
    code = 0
    try:
        if not options.draw:
            asked = [part for part in PARTS if part.name in (options.only or PARTS_BY_NAME)]
            code = _measure(asked, options, console)
        write_page(stored(), DIRECTORY)
    except KeyboardInterrupt:
        return INTERRUPTED
    console.print(f"written: {DIRECTORY.relative_to(DIRECTORY.parents[1])}/README.md")
    return code


def _measure(asked: list[Part], options: argparse.Namespace, console: Console) -> int:
    minutes = {part.name: part.quick_minutes if options.quick else part.minutes for part in asked}
    console.print(
        f"This takes about {sum(minutes.values()):.0f} minutes: "
        + ", ".join(f"{name} {each:g}" for name, each in minutes.items())
    )
    failed = []
    with progress_bar(console, 60 * sum(minutes.values())) as steps:
        for part in asked:
            steps.begin(60 * minutes[part.name])
            try:
                store(measured(part, Asked(options.quick, Choice(options.servers), steps.step)))
            except (BenchError, ServerError, TelemetryError) as error:
                console.print(f"{part.name}: {error}", style="red", markup=False)
                failed.append(part.name)
    return 1 if failed else 0


PARTS_BY_NAME = {part.name: part for part in PARTS}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make benchmarks",
        description="Measures everything, and writes docs/benchmarks: results, tables and plots.",
    )
    parser.add_argument(
        "--only", choices=PARTS_BY_NAME, action="append", help="one part; may be repeated"
    )
    parser.add_argument("--quick", action="store_true", help="a small run, and less sure")
    parser.add_argument("--draw", action="store_true", help="draw again what was measured before")
    add_servers_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
