"""Replies of Redis as the core's values, in RESP2 and RESP3 alike.

Scripts answer as they were written to: another shape is a mistake of ours, and raises TypeError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.core.attempts import Attempts, PendingEntry

if TYPE_CHECKING:
    from telemetry._codec import Reply


def as_list(reply: Reply) -> list[Reply]:
    """An array."""
    if isinstance(reply, list):
        return reply
    raise TypeError(f"an array was expected, not {type(reply).__name__}")


def as_text(reply: Reply) -> str:
    """A string."""
    if isinstance(reply, bytes):
        return reply.decode()
    raise TypeError(f"a string was expected, not {type(reply).__name__}")


def as_integer(reply: Reply) -> int:
    """An integer."""
    if isinstance(reply, int):
        return reply
    raise TypeError(f"an integer was expected, not {type(reply).__name__}")


def as_time_us(reply: Reply) -> int | None:
    """The Unix time that TIME returns, in microseconds; None for anything else."""
    match reply:
        case [bytes(seconds), bytes(micros)] if (seconds + micros).isdigit():
            return int(seconds) * 1_000_000 + int(micros)
    return None


def as_texts(reply: Reply) -> list[str]:
    """An array of strings."""
    return [as_text(item) for item in as_list(reply)]


def as_pending_entries(reply: Reply) -> list[PendingEntry]:
    """What the scripts return of pending entries: {id, deliveries, recorded failures as JSON or nil} each."""
    return [_as_pending_entry(*as_list(row)) for row in as_list(reply)]


def _as_pending_entry(entry_id: Reply, deliveries: Reply, recorded: Reply = None) -> PendingEntry:
    return PendingEntry(
        entry_id=as_text(entry_id),
        deliveries=as_integer(deliveries),
        attempts=Attempts.parse(recorded) if isinstance(recorded, bytes) else None,
    )


def as_mapping(reply: Reply) -> dict[bytes, Reply]:
    """A map of RESP3, or RESP2's flat list of keys and values."""
    if isinstance(reply, dict):
        return reply
    flat = reply if isinstance(reply, list) else []
    return {
        key: value
        for key, value in zip(flat[::2], flat[1::2], strict=False)
        if isinstance(key, bytes)
    }
