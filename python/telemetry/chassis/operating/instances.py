"""Who is running: the instances that answer on the control channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.chassis.control.asking import ask
from telemetry.chassis.control.requests import LOOK

if TYPE_CHECKING:
    from telemetry.chassis.control.messages import Answer
    from telemetry.chassis.operating.access import Access


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """A running instance of any service, as it describes itself."""

    instance_id: str
    consumer: str | None
    """Its name in the consumer group; None for a service that has none."""
    version: str
    host: str
    pid: int
    started_at: str
    """ISO-8601, UTC."""
    phase: str
    """`starting`, `running`, `draining` or `stopped`."""
    in_flight: int
    """What it has taken and not settled: entries, or records."""
    ledger: Mapping[str, int]
    """What became of what it has taken, by class."""
    log_level: str


def running_instances(access: Access) -> list[Instance]:
    """The instances that answer, sorted by their ids; a frozen one does not, which takes two seconds to notice."""
    answers = ask(access.client, access.control_channel, LOOK)
    return [found for each in answers if (found := as_instance(each)) is not None]


def as_instance(answer: Answer) -> Instance | None:
    """None for an answer of another form: an instance of another version, which cannot be described."""
    match answer.result:
        case {
            "consumer": str() | None as consumer,
            "version": str(version),
            "host": str(host),
            "pid": int(pid),
            "started_at": str(started_at),
            "phase": str(phase),
            "in_flight": int(in_flight),
            "ledger": dict(ledger),
            "log_level": str(log_level),
        }:
            return Instance(
                instance_id=answer.instance_id,
                consumer=consumer,
                version=version,
                host=host,
                pid=pid,
                started_at=started_at,
                phase=phase,
                in_flight=in_flight,
                ledger=ledger,
                log_level=log_level,
            )
    return None
