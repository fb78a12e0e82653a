"""Systems that work, or that nobody feeds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from tests.runbook.blocks import Block
from tests.support.processes import until
from tests.support.servers import drive, entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.runbook.stage import Stage


def healthy(stage: Stage) -> Iterator[Mapping[str, str]]:
    """An instance that has written everything."""
    stage.service()
    stage.servers.publish(drive(20))
    stage.servers.until_settled()
    yield {}


def backlog(stage: Stage) -> Iterator[Mapping[str, str]]:
    """Some entries are pending, and some were never delivered."""
    stage.servers.create_group()
    stage.servers.publish(drive(20))
    stage.servers.deliver_to("processor-1", 5)
    yield {}
    yield {}
    yield {}


def misnamed_stream(stage: Stage) -> Iterator[Mapping[str, str]]:
    """The instance reads a stream that it has made itself; devices are in another one."""
    service, right = stage.service(), f"{stage.servers.stream}-right"
    for fields in drive(10):
        stage.servers.redis.xadd(right, fields)
    yield {"RIGHT_STREAM": right}
    assert service.stop() == 0
    moved = stage.start(REDIS_TELEMETRY_STREAM=right).ready()
    stage.servers.until_rows(10)
    yield {"RIGHT_STREAM": right}
    assert moved.stop() == 0
    assert not stage.servers.redis.exists(stage.servers.stream)


def device_with_faulty_rows(stage: Stage) -> Iterator[Mapping[str, str]]:
    """The newest position of a device was marked as faulty."""
    stage.service()
    fields = [entry(1, second) for second in range(3)]
    device = str(fields[0]["device_id"])
    stage.servers.publish(fields)
    stage.servers.until_settled()
    stage.servers.own(
        "UPDATE positions SET faulty = true WHERE ts = (SELECT max(ts) FROM positions)"
    )
    yield {"DEVICE": device}


def asking_for_help(stage: Stage) -> Iterator[Mapping[str, str]]:
    """Something is wrong, and an instance runs."""
    stage.service(PANIC_DUMP_DIR=str(stage.directory), CLAIM_THRESHOLD_MS="60000")
    stage.servers.publish([{**entry(1, 0), "payload": "{"}])
    until(stage.servers.pending, "an entry is pending")
    yield {}
    status = json.loads((stage.directory / "status.json").read_text())
    assert [each["instance_id"] for each in status["instances"]] == ["processor-1"]
    assert (stage.directory / "version.txt").read_text().startswith("processor ")
    assert "REDIS_TELEMETRY_STREAM" in (stage.directory / "config.txt").read_text()
    [dump] = stage.directory.glob("*dump*.json")
    assert dump.stat().st_mode & 0o777 == 0o600


def staging_system(stage: Stage) -> Iterator[Mapping[str, str]]:
    """Two servers, and nobody on them; the service under test logs in as in production."""
    yield {"REDIS_URL": stage.redis.processor_url, "REDIS_ADMIN_URL": stage.redis.drill_url}
    assert list((stage.directory / "drills").glob("drill-*.html"))


def one_of_each(stage: Stage) -> Iterator[Mapping[str, str]]:
    """A running instance of each service, a dead letter, a pending entry of a dead consumer, a dump."""
    ingestion = stage.ingestion()
    service = stage.service(PANIC_DUMP_DIR=str(stage.directory), DLQ_MAX_ATTEMPTS="1")
    port = service.logged("processor ready")[0]["metrics"].rpartition(":")[2]
    stage.servers.publish([*drive(5), {**entry(1, 500), "payload": "{"}])
    until(stage.servers.dead_letters, "a dead letter")
    [(letter_id, _)] = cast("Any", stage.servers.redis.xrange(f"{stage.servers.stream}:dlq"))
    dumped = json.loads(stage.run(Block("", ("sh",), "processor dump --json", 0), {}))
    yield {
        "ID": letter_id.decode(),
        "NAME": "processor-9",
        "IMEI": str(entry(1, 0)["device_id"]),
        **dict.fromkeys("AB", "env:POSTGRES_URL"),
        "CODE": "bad_json",
        "HOST": "127.0.0.1",
        "METRICS_PORT": port,
        "INGESTION_METRICS_PORT": ingestion.address.rpartition(":")[2],
        "FILE": dumped["instances"][0]["path"],
    }
