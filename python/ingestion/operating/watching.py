"""Watches one device's conversation on whichever instance it is, until the time is over or the caller has enough."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ingestion.core.requests import WATCH
from telemetry.chassis.control.asking import next_answer, subscribed
from telemetry.chassis.control.messages import AnswerKind, Request, encode_request, new_id
from telemetry.chassis.control.tally import ANSWER_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.chassis.control.messages import Answer
    from telemetry.chassis.operating.access import Access

# An instance ends a watch that nobody asks for any more after five seconds; one that has just started learns of it.
AGAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Begun:
    """An instance watches now."""

    instance_id: str
    device: dict[str, Any] | None
    """As `devices` describes it, where it is connected there."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An instance does not watch."""

    instance_id: str
    error: str


@dataclass(frozen=True, slots=True)
class Told:
    """An event of the conversation, as `ingestion.taps.events` has them."""

    instance_id: str
    connection: int
    """Numbers the watched connections of one instance; 0: about none of them."""
    at_ms: int
    kind: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PartsLost:
    """Messages of an instance did not arrive."""

    instance_id: str
    parts: int


@dataclass(frozen=True, slots=True)
class NobodyAnswers:
    """No instance has answered so far; nothing comes after this."""


News: TypeAlias = Begun | Failed | Told | PartsLost | NobodyAnswers


def watch(access: Access, imei: str, *, for_s: int) -> Iterator[News]:
    """What instances tell, as it comes. Raises what the client raises."""
    request = Request(new_id(), WATCH, {"device_id": imei, "for_s": for_s}, None)
    message = encode_request(request)
    heard = _Heard()
    began_s = again_s = time.monotonic()
    with subscribed(access.client, access.control_channel, request.id) as replies:
        while (now_s := time.monotonic()) < began_s + for_s:
            if now_s >= again_s:
                access.client.publish(access.control_channel, message)
                again_s = now_s + AGAIN_S
            if not heard.lives and now_s > began_s + ANSWER_S:
                yield NobodyAnswers()
                return
            wait_s = min(again_s, began_s + for_s) - time.monotonic()
            if (found := next_answer(replies, request.id, max(0.0, wait_s))) is not None:
                yield from heard.take(found)
            if heard.is_refused:
                return


class _Heard:
    """What each instance has said so far, by its life."""

    def __init__(self) -> None:
        self.lives: dict[str, AnswerKind] = {}
        self._parts: dict[str, int] = {}

    @property
    def is_refused(self) -> bool:
        """Whether all have answered that they do not watch."""
        return bool(self.lives) and all(kind is AnswerKind.FAILED for kind in self.lives.values())

    def take(self, found: Answer) -> Iterator[News]:
        """News in an answer; the same one may come again and again."""
        if found.kind is AnswerKind.PART:
            yield from self._events(found)
            return
        is_news = self.lives.get(found.life) is not found.kind
        self.lives[found.life] = found.kind
        if is_news and found.kind is AnswerKind.DONE:
            device = found.result.get("device")
            yield Begun(found.instance_id, device if isinstance(device, dict) else None)
        if is_news and found.kind is AnswerKind.FAILED:
            yield Failed(found.instance_id, found.error or "")

    def _events(self, found: Answer) -> Iterator[News]:
        number, events = found.result.get("part"), found.result.get("events")
        if not isinstance(number, int) or not isinstance(events, list):
            return
        lost = number - self._parts.get(found.life, 0) - 1
        self._parts[found.life] = number
        if lost > 0:
            yield PartsLost(found.instance_id, lost)
        for event in events:
            match event:
                case {
                    "at_ms": int(at_ms),
                    "connection": int(connection),
                    "kind": str(kind),
                    **facts,
                }:
                    yield Told(
                        found.instance_id,
                        connection,
                        at_ms,
                        kind,
                        {str(name): each for name, each in facts.items()},
                    )
