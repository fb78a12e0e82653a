"""What is seen of a conversation, as it goes to whoever watches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

OPENED: Final = "opened"
"""The device has logged in (`login`), or is connected as the watch begins: address, transport."""
RECEIVED: Final = "received"
"""Bytes of the device, as they came: hex."""
SENT: Final = "sent"
"""Bytes to the device: hex."""
NOTED: Final = "noted"
"""Something happened, such as a frame that was refused: what, as a sentence, and facts."""
CLOSED: Final = "closed"
"""The connection's end: why."""
LOST: Final = "lost"
"""Events that were not kept, since they came faster than they could be sent: how many."""
ENDED: Final = "ended"
"""The watch is over: why."""


TEXT_CHARACTERS_MAX: Final = 500
"""Of a text among the facts: a server's error may be of any length."""


@dataclass(frozen=True, slots=True)
class Event:
    """One moment of a conversation, ready for a message."""

    values: Mapping[str, object]
    size_bytes: int
    """In a message, at most."""


def event(at_ms: int, connection: int, kind: str, **facts: object) -> Event:
    """An event.

    `at_ms` is Unix time. `connection` numbers the connections that are watched, in one instance; 0 where it is about
    none of them.
    """
    values = {"at_ms": at_ms, "connection": connection, "kind": kind, **facts}
    # Never shorter than in a message, which has fewer escapes.
    return Event(values, len(json.dumps(values)))
