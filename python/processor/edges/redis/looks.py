"""What the scripts that look at the stream reply: the service and the operators' commands send the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from processor.core.lag import GroupPosition
from telemetry.chassis.redis.resp import as_integer, as_list, as_text

if TYPE_CHECKING:
    from telemetry._codec import Reply


@dataclass(frozen=True, slots=True)
class GroupLook:
    """A group in one moment."""

    position: GroupPosition
    pending: int
    """Entries delivered and not settled."""
    oldest_pending_id: str | None


@dataclass(frozen=True, slots=True)
class StreamLook:
    """The stream and one group in one moment, as LOOK_AT_GROUP replies."""

    server_ms: int
    """Unix time on the server, of which the ids are."""
    length: int | None
    """None without the stream, as everything else."""
    entries_added: int | None
    last_id: str | None
    """The last id that was generated, whether that entry is still there or not; None before the first."""
    group: GroupLook | None


def as_step(reply: Reply) -> tuple[int, str | None]:
    """What COUNT_ENTRIES replies: number of entries, and the id of the last one."""
    entries, last_id = as_list(reply)
    return as_integer(entries), None if last_id is None else as_text(last_id)


def as_look(reply: Reply) -> StreamLook:
    """What LOOK_AT_GROUP replies."""
    server_ms, stream, group = as_list(reply)
    if stream is None:
        return StreamLook(as_integer(server_ms), None, None, None, None)
    length, entries_added, last_id, first_id = as_list(stream)
    return StreamLook(
        server_ms=as_integer(server_ms),
        length=as_integer(length),
        entries_added=as_integer(entries_added),
        last_id=None if last_id == b"0-0" else as_text(last_id),
        group=None if group is None else _as_group(group, length, entries_added, first_id),
    )


def _as_group(group: Reply, length: Reply, entries_added: Reply, first_id: Reply) -> GroupLook:
    delivered_id, redis_lag, pending, next_id, oldest_id = as_list(group)
    position = GroupPosition(
        length=as_integer(length),
        entries_added=as_integer(entries_added),
        first_id=_id(first_id),
        delivered_id=as_text(delivered_id),
        next_id=_id(next_id),
        redis_lag=None if redis_lag is None else as_integer(redis_lag),
    )
    return GroupLook(position, as_integer(pending), _id(oldest_id))


def _id(reply: Reply) -> str | None:
    return None if reply is None else as_text(reply)
