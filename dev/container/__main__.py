"""Runs the drill and prints what it found; 1 if a check failed, 4 if it could not be carried out."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from pathlib import Path

from ruamel.yaml import YAML

from dev.container.bases import build_image, make_bases
from dev.container.composition import PROCESSORS, on_this_machine
from dev.container.drill import FIRST, QUICK_CLAIMS, SECOND, Drill
from dev.container.engine import Engine, private_engine
from dev.container.fleet import Fleet
from dev.container.hardening import check_image, check_limits, check_secrets
from dev.container.report import Report
from dev.container.surroundings import Surroundings, running_surroundings
from dev.servers.errors import ServerError
from dev.servers.ports import HOST, free_port

CHECKOUT = Path(__file__).parents[2]
CAPTURE = CHECKOUT / "tests/captures/drive-codec8.hex"
IMAGE = "processor-drill/processor"
COULD_NOT = 4


def main() -> int:
    """Build, run, check, clean up; the exit code. Raises ServerError if that is not possible."""
    report = Report()
    with contextlib.ExitStack() as stack:
        report.step("starts an engine of its own")
        engine = stack.enter_context(private_engine())
        report.step("makes the image's bases: Debian's packages, this machine's Rust")
        make_bases(engine)
        report.step("builds the image")
        before = time.monotonic()
        build_image(engine, CHECKOUT, IMAGE)
        report.figure("build of the image", f"{time.monotonic() - before:.0f} s")

        config = YAML(typ="safe").load(
            engine.run(["docker-compose", "--file", CHECKOUT / "compose.yaml", "config"]).stdout
        )
        report.step("starts the servers, by the commands of compose.yaml")
        surroundings = stack.enter_context(running_surroundings(config, CHECKOUT))
        fleet = Fleet(engine, _write_file(engine, config, surroundings))
        drill = Drill(fleet, report, surroundings, CAPTURE)
        run(drill, config)
    report.step("everything is removed")
    return report.end()


def run(drill: Drill, config: dict[str, dict[str, dict[str, object]]]) -> None:
    """All steps in their order."""
    report, fleet = drill.report, drill.fleet
    report.step("looks at the image")
    check_image(fleet, report, IMAGE)
    drill.bad_starts_say_why(IMAGE)
    report.step("starts the processors")
    drill.starts()
    for name in PROCESSORS:
        check_limits(fleet, report, name, config["services"][name])
        check_secrets(fleet, report, name, IMAGE, drill.surroundings)
    records, rows = drill.load_to_come()
    report.step(f"publishes {records} records, which are {rows} rows")
    load = drill.start_load()
    try:
        report.attempt(drill.stop_is_clean, FIRST)
        report.attempt(drill.kill_loses_nothing, SECOND)
        report.attempt(drill.crash_is_followed_by_a_start, SECOND)
        report.attempt(drill.frozen_is_unhealthy, FIRST)
        report.step("waits until all is published and settled")
        drill.every_record_is_a_row(load, records, rows)
    finally:
        load.kill()
    for name in PROCESSORS:
        report.attempt(check_secrets, fleet, report, name, IMAGE, drill.surroundings)
    drill.ends()


def _write_file(engine: Engine, config: dict[str, object], surroundings: Surroundings) -> Path:
    """The compose file of the drill: JSON is YAML, too."""
    variables = {
        name: {"METRICS_HOST": HOST, "METRICS_PORT": str(free_port()), **QUICK_CLAIMS}
        for name in PROCESSORS
    }
    file = engine.directory / "compose.json"
    file.write_text(
        json.dumps(
            on_this_machine(config, image=IMAGE, secrets=surroundings.secrets, variables=variables)
        )
    )
    return file


if __name__ == "__main__":
    argparse.ArgumentParser(prog="make container-drill", description=main.__doc__).parse_args()
    try:
        sys.exit(main())
    except ServerError as error:
        print(f"container-drill: {error}", file=sys.stderr)
        sys.exit(COULD_NOT)
