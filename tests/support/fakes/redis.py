"""A Redis server in memory, with one stream and one consumer group, which several FakeStreams share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import trio

# Milliseconds and sequence number.
EntryId: TypeAlias = tuple[int, int]
Fields: TypeAlias = Mapping[str, "str | bytes"]

ZERO_ID: Final[EntryId] = (0, 0)
# Noon of 1 May 2026 in UTC: a clock for tests, whose positions are dated around it.
NOON_US: Final = 1_777_636_800_000_000


def parse_id(text: str) -> EntryId:
    """`1-0` as numbers, which sort as Redis sorts."""
    milliseconds, _, sequence = text.partition("-")
    return int(milliseconds), int(sequence)


def format_id(entry_id: EntryId) -> str:
    """The numbers as `1-0`."""
    return f"{entry_id[0]}-{entry_id[1]}"


def following(entry_id: EntryId) -> EntryId:
    """The next id within the same millisecond."""
    milliseconds, sequence = entry_id
    return milliseconds, sequence + 1


def unix_ms() -> int:
    """The machine's time."""
    return time.time_ns() // 1_000_000


@dataclass
class FakePending:
    """An entry that was delivered and not acknowledged. Its idle time is on Trio's clock, which may be virtual."""

    owner: str
    deliveries: int = 1
    delivered_at_s: float = field(default_factory=trio.current_time)

    @property
    def idle_ms(self) -> int:
        """How long ago it was delivered, or its lease renewed."""
        return round((trio.current_time() - self.delivered_at_s) * 1000)

    def lease(self, owner: str) -> None:
        """XCLAIM with JUSTID: a delivery that does not count."""
        self.owner = owner
        self.delivered_at_s = trio.current_time()


@dataclass
class FakeGroup:
    """The state of a consumer group."""

    last_delivered: EntryId = ZERO_ID
    pending: dict[EntryId, FakePending] = field(default_factory=dict)


@dataclass
class FakeRedis:
    """One stream, its group and its dead letters. Changes of the stream wake blocked reads."""

    entries: dict[EntryId, Fields] = field(default_factory=dict)
    stream_exists: bool = False
    group: FakeGroup | None = None
    # The attempts hash: entry id to JSON.
    attempts: dict[str, str] = field(default_factory=dict)
    dead_letters: list[dict[str, str | bytes]] = field(default_factory=list)
    # The server's clock, Unix time, which may be wrong: it makes ids, dates failures and dead letters,
    # and is what TIME returns.
    clock_ms: Callable[[], int] = unix_ms
    # How often TIME was asked for.
    time_calls: int = 0
    reachable: bool = True
    # Counts the server's starts: a connection ends with the life in which it was made.
    life: int = 1
    # Counts the masters: connections to a former one now lead to a replica.
    term: int = 1
    # At maxmemory: commands that need memory are refused.
    is_full: bool = False
    # A proxy closes connections that are idle for longer.
    idle_s_max: float = float("inf")
    # A larger reply exceeds the limit of a client's output buffer: its entries count as delivered, and the
    # connection is closed.
    reply_entries_max: int | None = None
    # Records that one turn acknowledges.
    ack_records_max: int = 1_000
    # While it is not set, every command waits here before it does anything, as on a stalled server.
    answers: trio.Event = field(default_factory=trio.Event)
    _changed: trio.Event = field(default_factory=trio.Event)
    _last_id: EntryId = ZERO_ID

    def __post_init__(self) -> None:
        self.answers.set()

    @property
    def last_id(self) -> str | None:
        """The last generated id; None before the first."""
        return None if self._last_id == ZERO_ID else format_id(self._last_id)

    def add(self, fields: Fields, entry_id: EntryId | None = None) -> str:
        """XADD, with `*` unless the id is given: the time, or the id after the last one if that is later."""
        if entry_id is None:
            entry_id = max((self.clock_ms(), 0), following(self._last_id))
        assert entry_id > self._last_id, "Redis refuses an id that is not above the last one"
        self._last_id = entry_id
        self.stream_exists = True
        self.entries[entry_id] = fields
        self._wake()
        return format_id(entry_id)

    def delete(self, entry_id: str) -> None:
        """XDEL: a pending entry stays pending."""
        self.entries.pop(parse_id(entry_id), None)

    def trim(self, entries_max: int) -> None:
        """XTRIM to the newest entries: pending ones stay pending."""
        for entry_id in sorted(self.entries)[: -entries_max or None]:
            del self.entries[entry_id]

    def create_group(self) -> None:
        """XGROUP CREATE at 0 with MKSTREAM, unless the group exists."""
        self.stream_exists = True
        self.group = self.group or FakeGroup()

    def set_group_back(self, entries: int) -> None:
        """XGROUP SETID, and what a failover may do: the last entries are new again, pending or not."""
        if self.group is not None:
            delivered = [each for each in sorted(self.entries) if each <= self.group.last_delivered]
            kept = delivered[: max(len(delivered) - entries, 0)]
            self.group.last_delivered = kept[-1] if kept else ZERO_ID
            self._wake()

    def destroy_group(self) -> None:
        """XGROUP DESTROY, pending entries included."""
        self.group = None
        self._wake()

    def delete_stream(self) -> None:
        """DEL, which also deletes the group."""
        self.entries.clear()
        self._last_id = ZERO_ID
        self.stream_exists = False
        self.destroy_group()

    def change_masters(self) -> None:
        """The name leads to another server from now on; existing connections stay, and lead to a replica."""
        self.term += 1
        self._wake()

    def go_away(self) -> None:
        """Break every connection and accept no new one."""
        self.reachable = False
        self.life += 1
        self._wake()

    def come_back(self) -> None:
        """Accept connections again, with the same data."""
        self.reachable = True

    @property
    def pending(self) -> dict[EntryId, FakePending]:
        """The group's pending entries; none without a group."""
        return {} if self.group is None else self.group.pending

    async def changed(self) -> None:
        """Wait until something was added or lost."""
        await self._changed.wait()

    def undelivered(self, group: FakeGroup) -> list[EntryId]:
        """The entries that XREADGROUP with `>` would deliver next, in order."""
        return sorted(entry_id for entry_id in self.entries if entry_id > group.last_delivered)

    def acknowledge(self, entry_ids: Iterable[EntryId]) -> int:
        """XACK, by any consumer; returns how many were pending, 0 without a group."""
        return sum(self.pending.pop(entry_id, None) is not None for entry_id in entry_ids)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
