"""Simulated devices that send to the container of tcp-ingestion while it is stopped, killed and crashed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dev.container.composition import INGESTION
from dev.container.drill import KILLED, SETTLED_WITHIN_S
from dev.container.fleet import HEALTHY_WITHIN_S
from dev.container.processes import children
from dev.servers.polling import poll
from dev.servers.ports import HOST

if TYPE_CHECKING:
    from dev.container.fleet import Fleet
    from dev.container.report import Report
    from dev.container.surroundings import Surroundings

TCP_INGESTION = Path(sys.executable).with_name("tcp-ingestion")
DEVICES = 50
FRAMES_A_SECOND = 100
# Three ends and three starts, each of which is seen by a health check that comes every ten seconds.
SECONDS = 60
ROWS_BEFORE_AN_END = 200


@dataclass(frozen=True)
class Devices:
    """What the steps share; `port` is where the container listens."""

    fleet: Fleet
    report: Report
    surroundings: Surroundings
    capture: Path
    port: int

    def answered_is_written_whatever_happens(self) -> None:
        """Each record that was answered is a row, although the service was stopped, killed and crashed meanwhile."""
        answered = self.fleet.engine.directory / "answered.jsonl"
        running = self._start(answered)
        try:
            self._stop_is_clean()
            self._kill_is_survived()
            self._crash_is_followed_by_a_start()
            printed, _ = running.communicate(timeout=2 * SECONDS)
        finally:
            running.kill()
        result = json.loads(printed)
        records = [json.loads(line) for line in answered.read_text().splitlines()]
        poll(
            lambda: self.surroundings.left() == 0,
            "everything is settled",
            within_s=SETTLED_WITHIN_S,
            every_s=0.2,
        )
        self.report.check("devices were answered", len(records) > ROWS_BEFORE_AN_END)
        self.report.equal("answered records without a row", self.surroundings.missing(records), 0)
        self.report.figure("frames answered", f"{result['frames_answered']:,}")
        self.report.figure("frames sent again", f"{result['frames_resent']:,}")

    def _start(self, answered: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *(TCP_INGESTION, "simulate", "--json", "--answered", answered),
                *("--devices", str(DEVICES), "--rate", str(FRAMES_A_SECOND)),
                *("--seconds", str(SECONDS), "--capture", self.capture, f"{HOST}:{self.port}"),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )

    def _until_rows(self) -> None:
        goal = self.surroundings.rows() + ROWS_BEFORE_AN_END
        poll(
            lambda: self.surroundings.rows() >= goal,
            f"{ROWS_BEFORE_AN_END} more rows",
            within_s=HEALTHY_WITHIN_S,
            every_s=0.1,
        )

    def _stop_is_clean(self) -> None:
        self._until_rows()
        self.fleet.engine.docker("stop", self.fleet.container(INGESTION))
        code = self.fleet.state(INGESTION)["ExitCode"]
        self.report.equal(f"{INGESTION}: exit code after docker stop", code, 0)
        last = self.fleet.log(INGESTION)[-1]["msg"]
        self.report.equal(f"{INGESTION}: its last line", last, "shutdown: clean exit")
        self._start_again()

    def _kill_is_survived(self) -> None:
        self._until_rows()
        self.fleet.engine.docker("kill", self.fleet.container(INGESTION))
        code = self.fleet.state(INGESTION)["ExitCode"]
        self.report.equal(f"{INGESTION}: exit code after docker kill", code, KILLED)
        self._start_again()

    def _crash_is_followed_by_a_start(self) -> None:
        self._until_rows()
        [service] = children(self.fleet.state(INGESTION)["Pid"])
        os.kill(service, signal.SIGKILL)
        self.fleet.until_restarted(INGESTION, 1)
        self.fleet.until_health(INGESTION, "healthy", within_s=HEALTHY_WITHIN_S)
        self.report.check(f"{INGESTION}: crashed, it is started again and healthy", holds=True)

    def _start_again(self) -> None:
        self.fleet.engine.docker("start", self.fleet.container(INGESTION))
        self.fleet.until_health(INGESTION, "healthy", within_s=HEALTHY_WITHIN_S)
