"""The services as containers: what the engine says of them, and what is done to them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dev.servers.polling import poll

if TYPE_CHECKING:
    from pathlib import Path

    from dev.container.engine import Engine

# The engine calls a container unhealthy after three checks in a row: each ten seconds, each of five at most.
UNHEALTHY_WITHIN_S = 90.0
HEALTHY_WITHIN_S = 60.0
ASK_S = 0.2


@dataclass(frozen=True)
class Fleet:
    """The containers of a compose file."""

    engine: Engine
    file: Path
    _containers: dict[str, str] = field(default_factory=dict)

    def up(self) -> None:
        """Create and start all."""
        self.engine.compose(self.file, "up", "--detach")

    def container(self, service: str) -> str:
        """The id of its container, which stays the same over stops and starts."""
        if service not in self._containers:
            printed = self.engine.compose(self.file, "ps", "-q", service)
            self._containers[service] = printed.split()[-1]
        return self._containers[service]

    def state(self, service: str) -> dict[str, Any]:
        """`State` as the engine has it: Status, ExitCode, Pid, Health."""
        state: dict[str, Any] = self.engine.inspect(self.container(service))["State"]
        return state

    def until_health(self, service: str, health: str, *, within_s: float) -> float:
        """Wait until the engine calls it so; the seconds that took."""
        before = time.monotonic()
        container = self.container(service)
        poll(
            lambda: self.engine.inspect(container)["State"]["Health"]["Status"] == health,
            f"{service} is {health}",
            within_s=within_s,
            every_s=ASK_S,
        )
        return time.monotonic() - before

    def until_restarted(self, service: str, count: int) -> None:
        """Wait until the engine has started it again by itself, `count` times in all."""
        container = self.container(service)
        poll(
            lambda: self.engine.inspect(container)["RestartCount"] >= count,
            f"{service} was started again",
            every_s=ASK_S,
        )

    def log(self, service: str) -> list[dict[str, Any]]:
        """Its log lines, of all its lives."""
        printed = self.engine.docker("logs", self.container(service))
        return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]

    def seconds_to_ready(self, service: str) -> float:
        """From the engine's start of the container to the line that says that it is ready."""
        [ready] = [line for line in self.log(service) if line["msg"].endswith(" ready")][-1:]
        started = self.state(service)["StartedAt"]
        return (_time(ready["time"]) - _time(started)).total_seconds()

    def inside(self, service: str, *argv: str) -> str:
        """What a command in the container printed, whether or not it succeeded."""
        return self.engine.docker("exec", self.container(service), *argv, check=False)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
