"""Instances that come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psutil

from tests.support.processes import PROCESSOR, until
from tests.support.servers import GROUP, drive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.runbook.stage import Stage


def consumers(stage: Stage) -> set[str]:
    """The names in the group."""
    return set(idle_ms(stage))


def idle_ms(stage: Stage) -> dict[str, int]:
    """How long each name in the group has done nothing."""
    found: Any = stage.servers.redis.xinfo_consumers(stage.servers.stream, GROUP)
    return {each["name"].decode(): each["idle"] for each in found}


def dead_instance(stage: Stage) -> Iterator[Mapping[str, str]]:
    """A consumer has read entries and is gone; the living instance would wait for an hour."""
    servers = stage.servers
    servers.create_group()
    servers.publish(drive(20))
    servers.deliver_to("processor-9", 20)
    stage.service(CLAIM_THRESHOLD_MS="3600000", CLAIM_INTERVAL_MS="3600000")
    yield {"DEAD": "processor-9"}
    servers.until_rows(20)
    servers.until_settled()
    until(lambda: idle_ms(stage)["processor-9"] > 3_000, "the name is idle")
    yield {"DEAD": "processor-9"}
    assert consumers(stage) == {"processor-1"}


def deploy(stage: Stage) -> Iterator[Mapping[str, str]]:
    """Two instances work; the first one is replaced."""
    servers = stage.servers
    first, _second = stage.service("processor-1"), stage.service("processor-2")
    servers.publish(drive(50))
    servers.until_settled()
    yield {"PID": str(first.process.pid)}
    assert first.wait() == 0
    stage.service("processor-3")
    servers.publish(drive(50, first_second=1_000))
    yield {}
    servers.until_rows(100)


def second_instance(stage: Stage) -> Iterator[Mapping[str, str]]:
    """One instance works, and the shell starts another one."""
    stage.service()
    yield {}
    until(lambda: consumers(stage) == {"processor-1", "processor-2"}, "both are in the group")
    name = stage.servers.stream
    # The shell has left it behind: it is ended here, by its own environment.
    for process in psutil.process_iter(["cmdline"]):
        if str(PROCESSOR) in (process.info["cmdline"] or []):
            environment = process.environ()
            if environment.get("INSTANCE_ID") == "processor-2" and name in environment.values():
                process.terminate()
                process.wait(10)


def killed_instance(stage: Stage) -> Iterator[Mapping[str, str]]:
    """An instance was killed while nothing was in flight: its name stays."""
    servers = stage.servers
    killed, _other = stage.service("processor-8"), stage.service("processor-1")
    servers.publish(drive(20))
    servers.until_settled()
    killed.kill()
    until(lambda: idle_ms(stage)["processor-8"] > 3_000, "the name has stayed, and is idle")
    yield {}
    assert consumers(stage) == {"processor-1"}
