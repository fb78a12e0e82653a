"""Observe, Redis: the drill's stream is made, watched and removed with the `redis` package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeAlias

from drills.observed import GroupState, LeftPending, PositionKey
from telemetry.chassis.redis.client import errors_translated, open_client
from telemetry.stream.publisher import StreamPublisher, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from drills.identity import Identity
    from telemetry.stream.entry import Entry

_PAGE = 1_000
# A released entry is given an idle time of a day (contract section 4, rule 7); no drill lasts half of one.
_RELEASED_IDLE_MS_MIN = 43_200_000

Delivered: TypeAlias = "dict[str, Any]"
"""One entry of XPENDING's reply, its parts as the package names them."""


class DrillStream:
    """The stream, asked directly and not by way of the service; a context manager.

    Methods block, and raise RedisUnavailable and RedisRefused. In a stream that was there before, only the drill's own
    group is removed.
    """

    def __init__(self, url: str, identity: Identity) -> None:
        self._publisher = StreamPublisher(url, Target(identity.stream, entries_max=0))
        self._client = open_client(url)
        self._identity = identity
        self._shared = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._publisher.__exit__()

    @property
    def where(self) -> str:
        """Host and port, or the socket's path."""
        return self._publisher.where

    def in_use(self) -> str | None:
        """What is on the stream already, for a message; None if nothing."""
        with errors_translated(self._client):
            stream = self._identity.stream
            kind = _text(self._client.type(stream))
            self._shared = kind != "none"
            if not self._shared:
                return None
            if kind != "stream":
                return f"it is a {kind}"
            entries, groups = self._client.xlen(stream), self._client.xinfo_groups(stream)
        if not entries and not groups:
            return None
        names = ", ".join(group["name"].decode() for group in groups)
        return (
            f"it has {entries:,} entries and the groups {names}"
            if names
            else f"it has {entries:,} entries"
        )

    def create_group(self) -> None:
        """Make the drill's group, which gets what is published from now on."""
        with errors_translated(self._client):
            self._client.xgroup_create(
                self._identity.stream, self._identity.group, id="$", mkstream=True
            )

    def publish(self, entries: Sequence[Entry]) -> None:
        """Append entries in order."""
        self._publisher.publish(entries)

    def state(self) -> GroupState:
        """The group now."""
        stream, name = self._identity.stream, self._identity.group
        with errors_translated(self._client), self._client.pipeline(transaction=True) as pipeline:
            pipeline.xinfo_stream(stream)
            pipeline.xinfo_groups(stream)
            pipeline.xinfo_consumers(stream, name)
            info, groups, consumers = pipeline.execute()
        [group] = [each for each in groups if each["name"].decode() == name]
        return GroupState(
            read=group["entries-read"] or 0,
            pending=group["pending"],
            undelivered=group["last-delivered-id"] != info["last-generated-id"],
            consumers=tuple((each["name"].decode(), each["pending"]) for each in consumers),
        )

    def left_by(self, consumer: str) -> LeftPending:
        """What is pending under the name of a consumer that has ended."""
        with errors_translated(self._client):
            pending = list(self._pending(consumer))
            released = sum(
                each["time_since_delivered"] >= _RELEASED_IDLE_MS_MIN for each in pending
            )
            others = [
                each["message_id"]
                for each in pending
                if each["time_since_delivered"] < _RELEASED_IDLE_MS_MIN
            ]
            attempts: set[bytes] = set()
            if others:
                attempts = set(self._client.hkeys(self._identity.attempts_key))  # type: ignore[arg-type]
        refused = len(attempts.intersection(others))
        return LeftPending(released=released, refused=refused, stranded=len(others) - refused)

    def released(self) -> bool:
        """Whether a released entry waits to be claimed."""
        with errors_translated(self._client):
            return bool(self._pending_page("-", 1, idle=_RELEASED_IDLE_MS_MIN))

    def unsettled(self) -> list[PositionKey]:
        """The entries that are pending or not delivered yet."""
        stream = self._identity.stream
        with errors_translated(self._client):
            [group] = [
                each
                for each in self._client.xinfo_groups(stream)
                if each["name"].decode() == self._identity.group
            ]
            with self._client.pipeline(transaction=False) as pipeline:
                for each in self._pending():
                    pipeline.xrange(stream, each["message_id"], each["message_id"])
                found = [fields for entries in pipeline.execute() for _, fields in entries]
            behind = f"({group['last-delivered-id'].decode()}"
            found += [fields for _, fields in self._entries(stream, behind)]
        return [_key(fields) for fields in found]

    def dead_letters(self) -> list[tuple[PositionKey, str]]:
        """Dead letters, each with its code."""
        with errors_translated(self._client):
            entries = list(self._entries(self._identity.dlq_stream, "-"))
        return [(_key(fields), fields[b"dlq_code"].decode()) for _, fields in entries]

    def trim_settled(self) -> None:
        """Remove settled entries from the drill's own stream."""
        if self._shared:
            return
        stream, name = self._identity.stream, self._identity.group
        with errors_translated(self._client):
            # In this order: an entry that is delivered in between has a higher id than both.
            [group] = self._client.xinfo_groups(stream)
            oldest = self._client.xpending(stream, name)["min"]
            last_delivered = group["last-delivered-id"].decode()
            self._client.xtrim(stream, minid=oldest or _id_after(last_delivered), approximate=False)

    def remove(self) -> None:
        """Remove everything that the drill made in Redis. Idempotent."""
        identity = self._identity
        with errors_translated(self._client):
            self._client.delete(identity.dlq_stream, identity.attempts_key)
            if not self._shared:
                self._client.delete(identity.stream)
            elif self._client.exists(identity.stream):
                self._client.xgroup_destroy(identity.stream, identity.group)

    def _pending(self, consumer: str | None = None) -> Iterator[Delivered]:
        start = "-"
        while page := self._pending_page(start, _PAGE, consumer=consumer):
            yield from page
            start = f"({page[-1]['message_id'].decode()}"

    def _pending_page(
        self, start: str, count: int, *, consumer: str | None = None, idle: int | None = None
    ) -> list[Delivered]:
        page: Any = self._client.xpending_range(
            self._identity.stream,
            self._identity.group,
            min=start,
            max="+",
            count=count,
            consumername=consumer,
            idle=idle,
        )
        return list(page)

    def _entries(self, stream: str, start: str) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
        while page := self._page(stream, start):
            yield from page
            start = f"({page[-1][0].decode()}"

    def _page(self, stream: str, start: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        page: Any = self._client.xrange(stream, min=start, count=_PAGE)
        return list(page)


def _text(value: bytes | str) -> str:
    """The package declares either, and gives bytes."""
    return value if isinstance(value, str) else value.decode()


def _key(fields: dict[bytes, bytes]) -> PositionKey:
    return PositionKey(fields[b"device_id"].decode(), fields[b"ts"].decode())


def _id_after(entry_id: str) -> str:
    milliseconds, _, sequence = entry_id.partition("-")
    return f"{milliseconds}-{int(sequence) + 1}"
