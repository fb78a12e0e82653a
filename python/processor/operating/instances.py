"""Who is running: the instances that answer on the control channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from processor.core.requests import CLAIM_NOW, LOOK
from telemetry.chassis.control.asking import ask
from telemetry.chassis.control.messages import AnswerKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.operating.access import StreamAccess
    from telemetry.chassis.control.messages import Answer


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """A running instance, as it describes itself."""

    instance_id: str
    consumer: str
    version: str
    host: str
    pid: int
    started_at: str
    """ISO-8601, UTC."""
    phase: str
    """`starting`, `running`, `draining` or `stopped`."""
    in_flight: int
    """Entries that it has read and not decided."""
    ledger: Mapping[str, int]
    """What became of the entries that it has read, by class."""
    log_level: str


def running_instances(access: StreamAccess) -> list[Instance]:
    """The instances that answer, sorted by their ids; a frozen one does not, which takes two seconds to notice."""
    answers = ask(access.client, access.control_channel, LOOK)
    return [found for each in answers if (found := as_instance(each)) is not None]


def claim_now(access: StreamAccess) -> list[str]:
    """Ask the living instances to look for entries to claim at once; the ids of those that do."""
    answers = ask(access.client, access.control_channel, CLAIM_NOW)
    return [each.instance_id for each in answers if each.kind is AnswerKind.DONE]


def as_instance(answer: Answer) -> Instance | None:
    """None for an answer of another form: an instance of another version, which cannot be described."""
    match answer.result:
        case {
            "consumer": str(consumer),
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
