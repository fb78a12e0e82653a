"""Queues of dead letters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.batches import position
from tests.support.processes import until
from tests.support.servers import drive, entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.runbook.stage import Stage
    from tests.support.servers import Fields

RULE = "ALTER TABLE positions ADD CONSTRAINT slow CHECK (speed < 200)"


def with_payload(fields: Fields, payload: str) -> Fields:
    """The entry with another payload."""
    return {**fields, "payload": payload}


def bad_type(device: int, second: int) -> Fields:
    """A tracker's speed as a word."""
    value = position(device, second, speed="fast")
    return with_payload(entry(device, second), json.dumps(value, separators=(",", ":")))


def letters(stage: Stage, entries: list[Fields]) -> None:
    """Publish them to an instance that allows one failure, until each is a dead letter."""
    stage.servers.publish(entries)
    until(lambda: len(stage.servers.dead_letters()) == len(entries), "all are dead letters")


def letter_with(stage: Stage, code: str) -> str:
    """The id of the oldest dead letter with a code."""
    found: Any = stage.servers.redis.xrange(f"{stage.servers.stream}:dlq")
    return str(
        next(
            letter_id.decode()
            for letter_id, fields in found
            if fields[b"dlq_code"] == code.encode()
        )
    )


def letters_of_every_kind(stage: Stage) -> Iterator[Mapping[str, str]]:
    """One that can be mended, some that the table refused, some that nobody needs."""
    servers = stage.servers
    servers.own(RULE)
    servers.publish(drive(5))
    stage.service(DLQ_MAX_ATTEMPTS="1")
    servers.until_rows(5)
    refused = [entry(2, 100 + second, speed=300) for second in range(3)]
    nonsense = [with_payload(entry(3, second), "{") for second in range(2)]
    letters(stage, [bad_type(1, 100), *refused, *nonsense])
    mended = {"ID": letter_with(stage, "bad_type")}
    yield mended
    assert len((stage.directory / "letters.jsonl").read_text().splitlines()) == 6
    yield mended
    servers.until_rows(6)
    servers.own("ALTER TABLE positions DROP CONSTRAINT slow")
    yield {}
    servers.until_rows(9)
    assert len(servers.dead_letters()) == 2
    yield {}
    assert len((stage.directory / "dropped.jsonl").read_text().splitlines()) == 2
    assert servers.dead_letters() == []


def flood(stage: Stage) -> Iterator[Mapping[str, str]]:
    """One device sends nothing but poison, and another one goes on."""
    stage.service(DLQ_MAX_ATTEMPTS="1")
    stage.servers.publish(drive(5))
    letters(stage, [bad_type(7, second) for second in range(20)])
    yield {}
    assert len((stage.directory / "letters.jsonl").read_text().splitlines()) == 20
    assert stage.servers.rows() == 5


def wrong_clock(stage: Stage) -> Iterator[Mapping[str, str]]:
    """A device that lives in 1980."""
    stage.service(DLQ_MAX_ATTEMPTS="1")
    fields = entry(4, 0, timestamp="1980-01-06T00:00:00Z")
    letters(stage, [fields])
    yield {"DEVICE": str(fields["device_id"])}
    yield {}
    assert len(stage.servers.dead_letters()) == 1
