"""A conversation as a row of moments: what each side said, decoded, and what happened between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingestion.operating.reading import DeviceBytes, answer
from ingestion.operating.watching import Begun, PartsLost
from ingestion.taps.events import CLOSED, ENDED, LOST, NOTED, OPENED, RECEIVED, SENT
from telemetry.chassis import clocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingestion.operating.reading import Message
    from ingestion.operating.watching import Told


_BETWEEN = frozenset({OPENED, NOTED, CLOSED, LOST, ENDED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """One line of the conversation."""

    at_ms: int
    """Unix time at the instance."""
    instance_id: str
    connection: int | None
    """Numbers the connections of an instance that are watched; None: about none of them."""
    side: str | None
    """`device` or `server`; None: neither has spoken."""
    kind: str
    """Of a message, as `reading.Message` has it; else `begun`, or an event's of `ingestion.taps.events`."""
    data: bytes = b""
    decoded: dict[str, Any]


class Conversation:
    """Puts together what instances tell about one device."""

    def __init__(self, imei: str) -> None:
        self._imei = imei
        self._bytes: dict[tuple[str, int], DeviceBytes] = {}

    def take(self, news: Begun | PartsLost | Told) -> Iterator[Moment]:
        """The moments that follow from news."""
        if isinstance(news, Begun):
            yield _between(news.instance_id, "begun", {"device": news.device})
        elif isinstance(news, PartsLost):
            # Whatever was being put together has a gap.
            self._bytes.clear()
            yield _between(news.instance_id, LOST, {"messages": news.parts})
        elif news.kind in {RECEIVED, SENT}:
            yield from self._said(news, bytes.fromhex(str(news.facts.get("hex", ""))))
        elif news.kind in _BETWEEN:
            yield Moment(
                at_ms=news.at_ms,
                instance_id=news.instance_id,
                connection=news.connection or None,
                side=None,
                kind=news.kind,
                decoded=news.facts,
            )

    def _said(self, news: Told, data: bytes) -> Iterator[Moment]:
        key = (news.instance_id, news.connection)
        of_device = self._bytes.setdefault(key, DeviceBytes(self._imei))
        if news.kind == RECEIVED:
            yield from (_moment(news, "device", each) for each in of_device.received(data))
        else:
            of_device.answered()
            yield _moment(news, "server", answer(data))


def _moment(news: Told, side: str, message: Message) -> Moment:
    return Moment(
        at_ms=news.at_ms,
        instance_id=news.instance_id,
        connection=news.connection,
        side=side,
        kind=message.kind,
        data=message.data,
        decoded=message.decoded,
    )


def _between(instance_id: str, kind: str, facts: dict[str, Any]) -> Moment:
    return Moment(
        at_ms=clocks.unix_ms(),
        instance_id=instance_id,
        connection=None,
        side=None,
        kind=kind,
        decoded=facts,
    )
