"""Instances that come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psutil

from tests.support.processes import PROCESSOR, WAIT_S_MAX, until
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
    """One instance works, and the shell starts another one, which it leaves behind."""
    stage.service()
    try:
        yield {}
    finally:
        for process in left_behind(stage, "processor-2"):
            process.terminate()
            process.wait(WAIT_S_MAX)
    assert "shutdown: clean exit" in (stage.directory / "processor-2.log").read_text()


def left_behind(stage: Stage, instance_id: str) -> list[psutil.Process]:
    """The processes of an instance of this stream."""
    running = (each for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"])
    ours = [each for each in running if str(PROCESSOR) in each.info["cmdline"]]
    wanted = {"INSTANCE_ID": instance_id, "STREAM": stage.servers.stream}
    return [each for each in ours if each.environ().items() >= wanted.items()]


def killed_instance(stage: Stage) -> Iterator[Mapping[str, str]]:
    """An instance was killed while nothing was in flight: its name stays."""
    servers = stage.servers
    killed = stage.service("processor-8")
    servers.publish(drive(20))
    servers.until_settled()
    killed.kill()
    # Redis knows a name from the first entry that it is given.
    stage.service("processor-1")
    servers.publish(drive(20, first_second=100))
    servers.until_settled()
    until(lambda: idle_ms(stage)["processor-8"] > 3_000, "the name has stayed, and is idle")
    yield {}
    assert consumers(stage) == {"processor-1"}
