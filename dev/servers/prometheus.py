"""Launches Prometheus with a configuration and rules, and asks what it has seen."""

from __future__ import annotations

import contextlib
import json
import signal
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dev.servers.guarded import guarded_directory
from dev.servers.ports import HOST, free_port
from dev.servers.process import ServerProcess
from dev.servers.programs import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ANSWER_S_MAX = 10.0


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus; `process` stops and restarts it."""

    url: str
    process: ServerProcess

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression now: each has `metric`, its labels, and `value`, [Unix time, text]."""
        found: list[dict[str, Any]] = self._ask("query", query=expression)["result"]
        return found

    def query_range(
        self, expression: str, *, start_s: float, end_s: float, step_s: float
    ) -> list[dict[str, Any]]:
        """The series of an expression between two Unix times: each has `metric` and `values`."""
        times = {"start": str(start_s), "end": str(end_s), "step": str(step_s)}
        found: list[dict[str, Any]] = self._ask("query_range", query=expression, **times)["result"]
        return found

    def firing(self) -> list[dict[str, str]]:
        """The labels of each alert that fires now."""
        alerts = self._ask("alerts")["alerts"]
        return [alert["labels"] for alert in alerts if alert["state"] == "firing"]

    def _ask(self, what: str, **arguments: str) -> dict[str, Any]:
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(arguments)}"
        with urllib.request.urlopen(url, timeout=ANSWER_S_MAX) as answer:  # noqa: S310  # our own
            data: dict[str, Any] = json.load(answer)["data"]
        return data


@contextlib.contextmanager
def launch_prometheus(files: Mapping[str, str], *, lookback: str) -> Iterator[Prometheus]:
    """Run Prometheus on a free port until the block ends.

    `files` are its configuration, `prometheus.yml`, and what that refers to, by name. `lookback` is how long
    a series is shown behind its last sample, such as `5m`. Raises ServerError if it is not installed or does
    not answer.
    """
    program = find_program("prometheus")
    with guarded_directory("prometheus", last_signal=signal.SIGKILL) as directory:
        for name, text in files.items():
            (directory.path / name).write_text(text)
        port = free_port()
        url = f"http://{HOST}:{port}"
        process = ServerProcess(
            name="Prometheus",
            argv=[
                program,
                f"--config.file={directory.path / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory.path / 'data'}",
                f"--web.listen-address={HOST}:{port}",
                f"--query.lookback-delta={lookback}",
                "--log.level=warn",
            ],
            directory=directory,
            log=directory.path / "prometheus.log",
            stop_signal=signal.SIGTERM,
            answers=lambda: _is_ready(url),
        )
        try:
            process.start()
            yield Prometheus(url, process)
        finally:
            process.stop()


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=ANSWER_S_MAX) as answer:  # noqa: S310  # our own
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
