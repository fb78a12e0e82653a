"""How far the group is behind, and how old what waits is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from processor.core.lag import LAG_MAX, STEP_ENTRIES, LagCount, LagMemory, known_lag
from processor.edges.redis.looks import as_look, as_step
from processor.edges.redis.scripts import COUNT_ENTRIES, LOOK_AT_GROUP

if TYPE_CHECKING:
    from processor.core.lag import GroupPosition
    from processor.operating.access import StreamAccess


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """The stream and the group in one moment; None is what is not there. Ages are of Redis' clock."""

    length: int | None
    """Entries in the stream; None without the stream."""
    entries_added: int | None
    """Entries that were ever published to it."""
    last_id: str | None
    """The last id that was generated, whether that entry is still there or not."""
    last_entry_age_s: float | None
    group_exists: bool
    lag: int | None
    """Entries not yet delivered; None without the group, and beyond LAG_MAX."""
    pending: int | None
    """Entries delivered and not settled; None without the group."""
    oldest_pending_age_s: float | None
    """Since its publication."""

    @property
    def stream_exists(self) -> bool:
        """Whether there is a stream of this name."""
        return self.length is not None


class QueueLooks:
    """Looks at the queue, once or again and again: a long count is not made at each look."""

    def __init__(self, access: StreamAccess) -> None:
        self._access = access
        self._memory = LagMemory()

    def look(self) -> Queue:
        """Raises what the client raises."""
        access = self._access
        seen = as_look(access.run(LOOK_AT_GROUP, (access.names.stream,), access.names.group))
        group = seen.group
        return Queue(
            length=seen.length,
            entries_added=seen.entries_added,
            last_id=seen.last_id,
            last_entry_age_s=_age_s(seen.last_id, seen.server_ms),
            group_exists=group is not None,
            lag=None if group is None else self._lag(group.position),
            pending=None if group is None else group.pending,
            oldest_pending_age_s=None
            if group is None
            else _age_s(group.oldest_pending_id, seen.server_ms),
        )

    def _lag(self, at: GroupPosition) -> int | None:
        lag = known_lag(at)
        if lag is None:
            began_s = time.monotonic()
            is_early, lag = self._memory.lag_meanwhile(at, began_s)
            if not is_early:
                lag = self._count(at)
                self._memory.counted(at, lag, began_s=began_s, ended_s=time.monotonic())
        return None if lag is None or lag > LAG_MAX else lag

    def _count(self, at: GroupPosition) -> int | None:
        access, count = self._access, LagCount(at.delivered_id)
        while not count.is_done:
            keys = (access.names.stream,)
            count.take(*as_step(access.run(COUNT_ENTRIES, keys, count.after_id, STEP_ENTRIES)))
        return count.lag


def _age_s(entry_id: str | None, server_ms: int) -> float | None:
    """The time since an entry was published: its id begins with that moment."""
    if entry_id is None:
        return None
    return max(0, server_ms - int(entry_id.partition("-")[0])) / 1_000
