"""The drill's steps: load, and meanwhile a stop, a kill, a crash and a frozen process; then the counts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dev.container.fleet import HEALTHY_WITHIN_S, UNHEALTHY_WITHIN_S
from dev.container.processes import children
from dev.servers.polling import poll
from dev.servers.ports import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dev.container.fleet import Fleet
    from dev.container.report import Report
    from dev.container.surroundings import Surroundings

PROCESSOR = Path(sys.executable).with_name("processor")
FIRST, SECOND = "processor-1", "processor-2"
# The contract's default of a minute would only make the drill longer.
QUICK_CLAIMS = {"CLAIM_THRESHOLD_MS": "3000", "CLAIM_INTERVAL_MS": "500"}
RATE = 2_000
ROUNDS = 20
SETTLED_WITHIN_S = 300.0
KILLED = 137


@dataclass(frozen=True)
class Drill:
    """What the steps share."""

    fleet: Fleet
    report: Report
    surroundings: Surroundings
    capture: Path

    def load_to_come(self) -> tuple[int, int]:
        """How many records will be published, and how many rows they are: a recording repeats itself."""
        printed = _publish(self.capture, "--dry-run")
        keys = [(each["device_id"], each["ts"]) for each in map(json.loads, printed.splitlines())]
        return len(keys) * ROUNDS, len({*keys}) * ROUNDS

    def start_load(self) -> subprocess.Popen[str]:
        """Publish new rows all the time, as the operators' account, until all are there."""
        options = ["--json", "--rate", str(RATE), "--repeat", str(ROUNDS), "--new-devices"]
        return subprocess.Popen(
            [PROCESSOR, "publish", *options, self.capture],
            env={**os.environ, "REDIS_URL": self.surroundings.secret("redis_operator_url")},
            stdout=subprocess.PIPE,
            text=True,
        )

    def until_rows(self, more: int) -> None:
        """Wait until the table has that many rows more than now."""
        goal = self.surroundings.rows() + more
        poll(
            lambda: self.surroundings.rows() >= goal,
            f"{more} more rows",
            within_s=HEALTHY_WITHIN_S,
            every_s=0.1,
        )

    def starts(self, names: Iterable[str]) -> None:
        """All become healthy; how long a start takes."""
        self.fleet.up()
        for name in names:
            self.fleet.until_health(name, "healthy", within_s=HEALTHY_WITHIN_S)
            self.report.check(f"{name} becomes healthy", holds=True)
            self.report.figure(
                f"{name}, start to ready", f"{self.fleet.seconds_to_ready(name):.2f} s"
            )

    def stop_is_clean(self, name: str) -> None:
        """`docker stop` ends it with 0 before the engine would kill it, and `docker start` brings it back."""
        self.until_rows(1_000)
        before = time.monotonic()
        self.fleet.engine.docker("stop", self.fleet.container(name))
        took = time.monotonic() - before
        self.report.equal(
            f"{name}: exit code after docker stop", self.fleet.state(name)["ExitCode"], 0
        )
        last = self.fleet.log(name)[-1]
        self.report.equal(f"{name}: its last line", last["msg"], "shutdown: clean exit")
        ledger = last.get("ledger", {})
        self.report.check(f"{name}: its ledger adds up", _adds_up(ledger), found=ledger)
        self.report.figure(f"{name}, docker stop under load", f"{took:.2f} s")
        self.fleet.engine.docker("start", self.fleet.container(name))
        self.fleet.until_health(name, "healthy", within_s=HEALTHY_WITHIN_S)
        self.report.check(f"{name} is healthy again after docker start", holds=True)

    def kill_loses_nothing(self, name: str) -> None:
        """`docker kill` ends it with 137 and it stays down; what it had in flight is claimed by the other."""
        self.until_rows(1_000)
        self.fleet.engine.docker("kill", self.fleet.container(name))
        state = self.fleet.state(name)
        self.report.equal(f"{name}: exit code after docker kill", state["ExitCode"], KILLED)
        left = self.surroundings.pending_of(name)
        poll(
            lambda: self.surroundings.pending_of(name) == 0,
            f"what {name} left is claimed",
            within_s=HEALTHY_WITHIN_S,
        )
        self.report.check(
            f"{name}: the other one claimed what it left ({left} entries)", holds=True
        )
        restarts = self.fleet.engine.inspect(self.fleet.container(name))["RestartCount"]
        status = self.fleet.state(name)["Status"]
        self.report.equal(f"{name}: killed by hand, it stays", (status, restarts), ("exited", 0))
        self.fleet.engine.docker("start", self.fleet.container(name))
        self.fleet.until_health(name, "healthy", within_s=HEALTHY_WITHIN_S)

    def crash_is_followed_by_a_start(self, name: str) -> None:
        """A process that dies by itself is started again by the engine."""
        self.until_rows(1_000)
        os.kill(self.fleet.state(name)["Pid"], signal.SIGKILL)
        self.fleet.until_restarted(name, 1)
        self.fleet.until_health(name, "healthy", within_s=HEALTHY_WITHIN_S)
        self.report.check(f"{name}: crashed, it is started again and healthy", holds=True)

    def frozen_is_unhealthy(self, name: str) -> None:
        """A process that stands still becomes unhealthy, and healthy again when it goes on."""
        self.until_rows(1_000)
        [service] = children(self.fleet.state(name)["Pid"])
        os.kill(service, signal.SIGSTOP)
        try:
            took = self.fleet.until_health(name, "unhealthy", within_s=UNHEALTHY_WITHIN_S)
        finally:
            os.kill(service, signal.SIGCONT)
        self.report.check(f"{name}: frozen, it is unhealthy", holds=True)
        self.report.figure(f"{name}, frozen to unhealthy", f"{took:.0f} s")
        self.fleet.until_health(name, "healthy", within_s=HEALTHY_WITHIN_S)
        self.report.check(f"{name}: it goes on, and is healthy again", holds=True)

    def every_record_is_a_row(self, load: subprocess.Popen[str], records: int, rows: int) -> None:
        """When all is published and settled, the table has exactly what was published."""
        printed, _ = load.communicate(timeout=SETTLED_WITHIN_S)
        published = json.loads(printed)["records"]
        poll(
            lambda: self.surroundings.left() == 0,
            "everything is settled",
            within_s=SETTLED_WITHIN_S,
            every_s=0.2,
        )
        self.report.equal("records published", published, records)
        self.report.equal("rows in the table", self.surroundings.rows(), rows)
        self.report.equal("dead letters", self.surroundings.dead_letters(), 0)

    def bad_starts_say_why(self, image: str) -> None:
        """A start that cannot succeed ends with the code that says why."""
        redis, postgres = map(self.surroundings.secret, ("redis_url", "postgres_url"))
        away = f"redis://{HOST}:{free_port()}"
        other = postgres.replace("/telemetry", "/postgres")
        cases = {
            "without variables": ({}, 78),
            "both a URL and its file": ({"REDIS_URL": redis, "REDIS_URL_FILE": "/x"}, 78),
            "Redis away": ({"REDIS_URL": away, "POSTGRES_URL": postgres}, 4),
            "no table": ({"REDIS_URL": redis, "POSTGRES_URL": other}, 5),
        }
        fixed = {"CONNECT_ATTEMPTS": "1", "METRICS_HOST": HOST, "METRICS_PORT": str(free_port())}
        for what, (variables, wanted) in cases.items():
            environment = {**fixed, **variables}
            names = [word for name in environment for word in ("--env", name)]
            done = self.fleet.engine.run(
                ["/usr/bin/docker", "run", "--rm", "--network", "host", *names, image],
                check=False,
                env=environment,
            )
            self.report.equal(f"exit code {what}", done.returncode, wanted)

    def ends(self, names: Iterable[str]) -> None:
        """All stop cleanly in the end, and nothing is left pending."""
        self.fleet.engine.compose(self.fleet.file, "stop")
        for name in names:
            self.report.equal(
                f"{name}: exit code in the end", self.fleet.state(name)["ExitCode"], 0
            )
        self.report.equal("entries left in the end", self.surroundings.left(), 0)


def _publish(capture: Path, *options: str) -> str:
    return subprocess.run(
        [PROCESSOR, "publish", *options, capture],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout


def _adds_up(ledger: dict[str, int]) -> bool:
    counts = {name: count for name, count in ledger.items() if name != "released_unread"}
    return counts.pop("read", None) == sum(counts.values())
