"""The messages of a request and its answers, as JSON; nothing here sends or waits.

A request goes to the control channel, and its answers to a channel that its id names, so that no message can
direct an answer elsewhere. Whoever may publish there is trusted with what can be asked, and with nothing more: any
bytes are either a message or dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from secrets import token_hex
from typing import Final, TypeAlias

import orjson

MESSAGE_BYTES_MAX: Final = 64 * 1024
"""Longer messages are dropped."""
ID: Final = re.compile(r"[0-9a-f]{32}")
UNKNOWN: Final = "unknown"
"""Stands for the name of a request that the service does not know."""
NAME: Final = re.compile(r"[a-z][a-z_]{0,63}")

Values: TypeAlias = Mapping[str, object]
"""Arguments of a request, or a result: a JSON object."""


class Dropped(StrEnum):
    """Why a message was dropped; the label of a metric."""

    OVERSIZE = "oversize"
    """Over MESSAGE_BYTES_MAX."""
    GARBAGE = "garbage"
    """Not of this form."""


class AnswerKind(StrEnum):
    """What an answer says."""

    ACCEPTED = "accepted"
    """The instance has the request, and another answer follows."""
    PART = "part"
    """A piece of a result that is too long for one message, or that comes while it lasts."""
    PASSED = "passed"
    """The request is for another instance."""
    DONE = "done"
    FAILED = "failed"
    """It was refused, or could not be done."""


@dataclass(frozen=True, slots=True)
class Request:
    """What an operator asks."""

    id: str
    """32 hexadecimal digits. A request that is published again keeps its id, and is carried out once."""
    name: str
    arguments: Values
    instance_id: str | None
    """The one that is asked; None: all."""
    is_notice: bool = False
    """Nobody waits for an answer: it comes from an instance, not from a command."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one instance answers."""

    id: str
    """The request's."""
    life: str
    """Of the process: two with one instance id are two."""
    instance_id: str
    kind: AnswerKind
    result: Values
    """Empty unless DONE or PART."""
    error: str | None = None
    """A sentence for the operator; None unless FAILED."""

    @property
    def is_final(self) -> bool:
        """Whether no other answer follows."""
        return self.kind not in {AnswerKind.ACCEPTED, AnswerKind.PART}


def new_id() -> str:
    """An id that nobody else has, for a request or a life."""
    return token_hex(16)


def reply_channel(channel: str, request_id: str) -> str:
    """Where the answers to a request go."""
    return f"{channel}:reply:{request_id}"


def encode_request(request: Request) -> bytes:
    """The message. Raises ValueError where it would be too long."""
    members = {
        "id": request.id,
        "request": request.name,
        "arguments": dict(request.arguments),
        "instance_id": request.instance_id,
    }
    message = orjson.dumps({**members, "notice": True} if request.is_notice else members)
    if len(message) > MESSAGE_BYTES_MAX:
        raise ValueError(f"a request has {MESSAGE_BYTES_MAX} bytes at most, not {len(message)}")
    return message


def decode_request(message: bytes) -> Request | Dropped:
    """A request, or why the message was dropped. Unknown members are ignored."""
    members = _members(message)
    if isinstance(members, Dropped):
        return members
    match members:
        case {
            "id": str(request_id),
            "request": str(name),
            "arguments": dict(arguments),
            "instance_id": str() | None as instance_id,
        } if ID.fullmatch(request_id) and NAME.fullmatch(name):
            is_notice = members.get("notice") is True
            return Request(request_id, name, arguments, instance_id, is_notice)
    return Dropped.GARBAGE


def encode_answer(answer: Answer) -> bytes:
    """The message; one that would be too long says so instead."""
    message = _encoded(answer.kind, answer, dict(answer.result), answer.error)
    if len(message) <= MESSAGE_BYTES_MAX:
        return message
    error = f"its answer would have {len(message)} bytes, over {MESSAGE_BYTES_MAX}"
    return _encoded(AnswerKind.FAILED, answer, {}, error)


def decode_answer(message: bytes) -> Answer | Dropped:
    """An answer, or why the message was dropped. Unknown members are ignored."""
    members = _members(message)
    if isinstance(members, Dropped):
        return members
    match members:
        case {
            "id": str(request_id),
            "life": str(life),
            "instance_id": str(instance_id),
            "kind": "accepted" | "part" | "passed" | "done" | "failed" as kind,
            "result": dict(result),
            "error": str() | None as error,
        } if ID.fullmatch(request_id) and ID.fullmatch(life):
            return Answer(request_id, life, instance_id, AnswerKind(kind), result, error)
    return Dropped.GARBAGE


def _encoded(kind: AnswerKind, answer: Answer, result: object, error: str | None) -> bytes:
    return orjson.dumps(
        {
            "id": answer.id,
            "life": answer.life,
            "instance_id": answer.instance_id,
            "kind": kind.value,
            "result": result,
            "error": error,
        }
    )


def _members(message: bytes) -> dict[str, object] | Dropped:
    if len(message) > MESSAGE_BYTES_MAX:
        return Dropped.OVERSIZE
    try:
        value = orjson.loads(message)
    except orjson.JSONDecodeError:
        return Dropped.GARBAGE
    return value if isinstance(value, dict) else Dropped.GARBAGE
