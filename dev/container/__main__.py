"""Runs the drill and prints what it found; 1 if a check failed, 4 if it could not be carried out."""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import sys
import time
from pathlib import Path

from ruamel.yaml import YAML

from dev.container.bases import build_images, make_bases
from dev.container.composition import INGESTION, PROCESSORS, on_this_machine
from dev.container.devices import Devices
from dev.container.drill import FIRST, QUICK_CLAIMS, SECOND, Drill
from dev.container.engine import Engine, private_engine
from dev.container.fleet import Fleet
from dev.container.hardening import INGESTION as INGESTION_KIND
from dev.container.hardening import PROCESSOR, check_image, check_limits, check_secrets
from dev.container.report import Report
from dev.container.surroundings import Surroundings, running_surroundings
from dev.servers.errors import ServerError
from dev.servers.ports import HOST, free_port

CHECKOUT = Path(__file__).parents[2]
CAPTURE = CHECKOUT / "tests/captures/drive-codec8.hex"
KINDS = {**dict.fromkeys(PROCESSORS, PROCESSOR), INGESTION: INGESTION_KIND}
COULD_NOT = 4


def main() -> int:
    """Build, run, check, clean up; the exit code. Raises ServerError if that is not possible."""
    report = Report()
    with contextlib.ExitStack() as stack:
        report.step("starts an engine of its own")
        engine = stack.enter_context(private_engine())
        report.step("makes the images' bases: Debian's packages, this machine's Rust")
        make_bases(engine)
        report.step("builds the images")
        before = time.monotonic()
        build_images(engine, CHECKOUT)
        report.figure("build of the images", f"{time.monotonic() - before:.0f} s")

        config = YAML(typ="safe").load(
            engine.run(["docker-compose", "--file", CHECKOUT / "compose.yaml", "config"]).stdout
        )
        report.step("starts the servers, by the commands of compose.yaml")
        surroundings = stack.enter_context(running_surroundings(config, CHECKOUT))
        device_port = free_port()
        fleet = Fleet(engine, _write_file(engine, config, surroundings, device_port))
        drill = Drill(fleet, report, surroundings, CAPTURE)
        run(drill, Devices(fleet, report, surroundings, CAPTURE, device_port), config)
    report.step("everything is removed")
    return report.end()


def run(drill: Drill, devices: Devices, config: dict[str, dict[str, dict[str, object]]]) -> None:
    """All steps in their order."""
    report, fleet = drill.report, drill.fleet
    report.step("looks at the images")
    for kind in (PROCESSOR, INGESTION_KIND):
        check_image(fleet, report, kind)
    drill.bad_starts_say_why(PROCESSOR.image)
    report.step("starts the services")
    drill.starts(KINDS)
    for name, kind in KINDS.items():
        check_limits(fleet, report, name, kind, config["services"][name])
        check_secrets(fleet, report, name, kind, drill.surroundings)
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
    report.step("has devices send to tcp-ingestion")
    report.attempt(devices.answered_is_written_whatever_happens)
    for name, kind in KINDS.items():
        report.attempt(check_secrets, fleet, report, name, kind, drill.surroundings)
    drill.ends(KINDS)


def _write_file(
    engine: Engine, config: dict[str, object], surroundings: Surroundings, device_port: int
) -> Path:
    """The compose file of the drill: JSON is YAML, too."""
    variables = {
        name: {"METRICS_HOST": HOST, "METRICS_PORT": str(free_port()), **QUICK_CLAIMS}
        for name in PROCESSORS
    }
    variables[INGESTION] = {
        "METRICS_HOST": HOST,
        "METRICS_PORT": str(free_port()),
        "TELTONIKA_HOST": HOST,
        "TELTONIKA_PORT": str(device_port),
    }
    file = engine.directory / "compose.json"
    resolved = on_this_machine(
        config,
        images={name: kind.image for name, kind in KINDS.items()},
        secrets=surroundings.secrets,
        variables=variables,
        descriptors_max=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
    )
    file.write_text(json.dumps(resolved))
    return file


if __name__ == "__main__":
    argparse.ArgumentParser(prog="make container-drill", description=main.__doc__).parse_args()
    try:
        sys.exit(main())
    except ServerError as error:
        print(f"container-drill: {error}", file=sys.stderr)
        sys.exit(COULD_NOT)
