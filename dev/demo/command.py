"""The command `make demo`: starts the system, replays the capture, and prints the result."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from dev.demo.figures import drive_truth
from dev.demo.replay import replay
from dev.demo.rows import export_rows, read_track
from dev.demo.system import start_system
from dev.demo.visit import keep_running
from dev.servers import ServerError

if TYPE_CHECKING:
    from dev.demo.system import System

CHECKOUT = Path(__file__).parents[2]
CAPTURE = CHECKOUT / "tests" / "captures" / "drive-codec8.hex"
OUTPUT_DEFAULT = CHECKOUT / "demo-output"

# Their records are fewer than the stream keeps.
DEVICES_MAX = 50

EXIT_UNTRUE = 1


def main() -> int:
    """Run the demo; the exit code is 0 only if every figure is what the capture holds."""
    arguments = parse_arguments()
    console = Console(stderr=True, highlight=False)
    arguments.output.mkdir(parents=True, exist_ok=True)
    try:
        with start_system(arguments.output, console.print) as system:
            untrue = perform(system, console, arguments)
            if arguments.keep_running:
                keep_running(system, arguments.output, console)
            console.print(
                "stopping tcp-ingestion, the processor, PostgreSQL and Redis, in this order"
            )
    except ServerError as error:
        console.print(f"demo failed: {error}", markup=False, soft_wrap=True)
        return EXIT_UNTRUE
    return EXIT_UNTRUE if untrue else 0


def perform(system: System, console: Console, arguments: argparse.Namespace) -> list[str]:
    """Replay the capture, write picture and rows, print the summary. Returns the figures that are wrong."""
    vehicles = "a device" if arguments.devices == 1 else f"{arguments.devices} devices"
    console.print(f"sending {CAPTURE.relative_to(CHECKOUT)} over TCP, as {vehicles} would")
    summary = replay(CAPTURE, arguments.devices, system, console)
    leave_behind(system, arguments.output, console)
    untrue = summary.figures.differences(drive_truth(arguments.devices))
    for difference in untrue:
        console.print(f"NOT what the capture holds: {difference}", style="red")
    print(summary.as_json() if arguments.json else f"\n{summary.as_text()}", flush=True)
    return untrue


def leave_behind(system: System, output: Path, console: Console) -> None:
    """A picture of the drive and the rows, which outlive the servers."""
    # Imported late: the import takes a second, and the processor already works meanwhile.
    from dev.demo.picture import draw_drive  # noqa: PLC0415

    picture, rows = output / "drive.png", output / "positions.csv"
    draw_drive(read_track(system.database.processor_url), picture)
    export_rows(system.database.processor_url, rows)
    console.print(f"picture of the drive   {picture}", soft_wrap=True)
    console.print(f"rows, look with        less -S {rows}", soft_wrap=True)
    console.print(f"logs                   {system.log}", soft_wrap=True)
    console.print(f"                       {system.ingestion_log}", soft_wrap=True)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make demo ARGS=...", description=__doc__)
    parser.add_argument(
        "--devices",
        type=int,
        choices=range(1, DEVICES_MAX + 1),
        default=1,
        metavar="N",
        help=f"send the drive from so many devices, up to {DEVICES_MAX}, each at another place (default: 1)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the summary as one JSON object, the last line of standard output",
    )
    parser.add_argument(
        "--keep-running",
        action="store_true",
        help="stay in the foreground until Ctrl-C, and say how to reach the servers",
    )
    parser.add_argument(
        "--output",
        type=lambda text: Path(text).absolute(),
        default=OUTPUT_DEFAULT,
        metavar="DIR",
        help="where picture, rows and log are left (default: %(default)s)",
    )
    return parser.parse_args()
