"""A service as a process of its own, whose log, metrics and end a test can wait for: `processor run` by default."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from signal import SIGTERM, Signals
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PROCESSOR = Path(sys.executable).with_name("processor")
RUN = (PROCESSOR, "run")
# Far beyond what any of it takes: a test that waits this long has failed.
WAIT_S_MAX = 30.0
# Metrics and servers tell nobody when they change: ask them this often.
PROBE_S = 0.01

# Claims within a test's patience.
QUICK_CLAIMS = {
    "CLAIM_THRESHOLD_MS": "300",
    "CLAIM_INTERVAL_MS": "100",
    "BATCH_BLOCK_MS": "100",
    "CONNECT_BACKOFF_MAX_MS": "200",
}

Line: TypeAlias = dict[str, Any]


def until(holds: Callable[[], object], what: str, *, within_s: float = WAIT_S_MAX) -> None:
    """Return as soon as `holds()` is true; fail with `what` when that takes longer than `within_s`."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not come true within {within_s:.0f} s: {what}")
        time.sleep(PROBE_S)


class Service:
    """A running service. Its log lines are taken as they come; whoever waits for one is woken by it."""

    name = "processor"
    metrics_prefix = "processor_"

    def __init__(
        self, env: Mapping[str, str], stderr: Path, program: Sequence[str | Path] = RUN
    ) -> None:
        self._stderr = stderr
        with stderr.open("wb") as errors:
            self.process = subprocess.Popen(
                program,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        self.lines: list[Line] = []
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as log:
            for text in log:
                with self._news:
                    self.lines.append(json.loads(text))
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def stderr(self) -> str:
        """What it has written to standard error."""
        return self._stderr.read_text()

    @property
    def messages(self) -> list[str]:
        """The log's messages so far."""
        with self._news:
            return [line["msg"] for line in self.lines]

    def logged(self, beginning: str) -> list[Line]:
        """The log lines so far whose message begins so."""
        with self._news:
            return [line for line in self.lines if line["msg"].startswith(beginning)]

    @property
    def ledger(self) -> dict[str, int]:
        """What the last line says of the entries that it has read; classes without entries left out."""
        with self._news:
            ledger: dict[str, int] = self.lines[-1]["ledger"]
        return {name: count for name, count in ledger.items() if count}

    def wait_for(self, beginning: str, count: int = 1) -> Line:
        """The `count`-th log line whose message begins so, as soon as it is there."""
        deadline = time.monotonic() + WAIT_S_MAX
        while True:
            with self._news:
                found = [line for line in self.lines if line["msg"].startswith(beginning)]
                if len(found) >= count:
                    return found[count - 1]
                if self._ended or not self._news.wait(deadline - time.monotonic()):
                    raise AssertionError(f"no line {beginning!r} in the log:\n{self.report()}")

    def ready(self) -> Self:
        """Itself, once it is ready."""
        self.wait_for(f"{self.name} ready")
        return self

    @property
    def ready_line(self) -> Line:
        """The line that says where it listens."""
        return self.logged(f"{self.name} ready")[0]

    @property
    def address(self) -> str:
        """Host and port of its HTTP endpoints."""
        return str(self.ready_line["metrics"])

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of one of its HTTP endpoints."""
        url = f"http://{self.address}{path}"
        try:
            with urllib.request.urlopen(url, timeout=WAIT_S_MAX) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()

    def readyz(self) -> tuple[int, dict[str, Any]]:
        """Status and body of `/readyz`."""
        status, body = self.get("/readyz")
        return status, json.loads(body)

    def until_ready_again(self) -> None:
        """Wait until `/readyz` says 200."""
        until(lambda: self.readyz()[0] == 200, f"ready\n{self.report()}")

    def until_not_ready(self, dependency: str, saying: str = "") -> str:
        """Wait until `/readyz` says 503 because of `dependency`, with `saying` in the reason; the reason."""
        reason = ""

        def is_not_ready() -> bool:
            nonlocal reason
            status, body = self.readyz()
            reason = body["reasons"].get(dependency, "")
            return status == 503 and bool(reason) and saying in reason

        until(is_not_ready, f"{dependency} is not ready")
        return reason

    def metrics(self) -> dict[str, float]:
        """Every sample of `/metrics` by its name, with labels as written, without the common prefix."""
        lines = self.get("/metrics")[1].splitlines()
        samples = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name.removeprefix(self.metrics_prefix): float(value) for name, value in samples}

    def until_metrics(self, **wanted: float) -> dict[str, float]:
        """Wait for these samples (names without labels) and return all of them."""
        try:
            until(lambda: self.metrics().items() >= wanted.items(), f"{wanted}")
        except AssertionError:
            seen = {name: self.metrics().get(name) for name in wanted}
            raise AssertionError(f"{seen} instead of {wanted}\n{self.report()}") from None
        return self.metrics()

    def send(self, number: Signals = SIGTERM) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit code, once it has ended and all of its log is read."""
        try:
            code = self.process.wait(WAIT_S_MAX)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end:\n{self.report()}") from None
        self._reader.join(WAIT_S_MAX)
        return code

    def until_it_minds(self, number: Signals) -> None:
        """Return when the process no longer leaves the signal to the kernel (man 5 proc: SigBlk, SigCgt)."""
        status = Path(f"/proc/{self.process.pid}/status")

        def minded() -> bool:
            masks = re.findall(r"^Sig(?:Blk|Cgt):\s*([0-9a-f]+)$", status.read_text(), re.MULTILINE)
            return any(int(mask, 16) & 1 << number - 1 for mask in masks)

        until(minded, f"{number.name} is held back or caught")

    def stop(self, number: Signals = SIGTERM) -> int:
        """Ask it to stop; its exit code."""
        self.send(number)
        return self.wait()

    def kill(self) -> None:
        """End it with SIGKILL, in the middle of whatever it does. Idempotent."""
        self.process.kill()
        self.wait()

    def rss_bytes(self) -> int:
        """Its resident memory now."""
        resident: int = psutil.Process(self.process.pid).memory_info().rss
        return resident

    def report(self) -> str:
        """The end of its log and standard error, for a failed test."""
        with self._news:
            lines = [json.dumps(line) for line in self.lines[-20:]]
        return "\n".join([*lines, self.stderr])


def base_environment(directory: Path) -> dict[str, str]:
    """What every run of the service gets: nothing of the developer's own environment."""
    return {
        "PATH": os.defpath,
        "METRICS_HOST": "127.0.0.1",
        "METRICS_PORT": "0",
        "PANIC_DUMP_DIR": str(directory),
    }
