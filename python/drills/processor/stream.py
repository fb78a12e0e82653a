"""Observe, Redis: the drill's stream is made, watched and removed with the `redis` package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from drills.observed import GroupState, LeftPending, PositionKey
from drills.own_stream import PAGE, OwnStream
from telemetry.chassis.redis.client import errors_translated
from telemetry.stream.publisher import StreamPublisher, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from drills.identity import Identity
    from telemetry.stream.entry import Entry

# A released entry is given an idle time of a day (contract section 4, rule 7); no drill lasts half of one.
_RELEASED_IDLE_MS_MIN = 43_200_000

Delivered: TypeAlias = "dict[str, Any]"
"""One entry of XPENDING's reply, its parts as the package names them."""


class DrillStream(OwnStream):
    """The stream, asked directly and not by way of the service.

    In a stream that was there before, only the drill's own group is removed.
    """

    def __init__(self, url: str, identity: Identity) -> None:
        super().__init__(url, identity.stream)
        self._publisher = StreamPublisher(url, Target(identity.stream, entries_max=0))
        self._identity = identity

    def __exit__(self, *errors: object) -> None:
        super().__exit__(*errors)
        self._publisher.__exit__()

    @property
    def where(self) -> str:
        """Host and port, or the socket's path."""
        return self._publisher.where

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

    def pending_ids(self, consumer: str) -> frozenset[str]:
        """What is pending under the name of a consumer."""
        with errors_translated(self._client):
            return frozenset(each["message_id"].decode() for each in self._pending(consumer))

    def pending_of(self, entry_ids: frozenset[str]) -> dict[str, str]:
        """The consumer of each of these entries that is still pending."""
        if not entry_ids:
            return {}
        first, last = min(entry_ids, key=_in_order), max(entry_ids, key=_in_order)
        with errors_translated(self._client):
            pending = list(self._pending(first=first, last=last))
        found = {each["message_id"].decode(): each["consumer"].decode() for each in pending}
        return {entry_id: found[entry_id] for entry_id in entry_ids & found.keys()}

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
            found += [fields for _, fields in self.entries_of(stream, behind)]
        return [_key(fields) for fields in found]

    def dead_letters(self) -> list[tuple[PositionKey, str]]:
        """Dead letters, each with its code."""
        with errors_translated(self._client):
            entries = list(self.entries_of(self._identity.dlq_stream, "-"))
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

    def _pending(
        self, consumer: str | None = None, *, first: str = "-", last: str = "+"
    ) -> Iterator[Delivered]:
        start = first
        while page := self._pending_page(start, PAGE, last=last, consumer=consumer):
            yield from page
            start = f"({page[-1]['message_id'].decode()}"

    def _pending_page(
        self,
        start: str,
        count: int,
        *,
        last: str = "+",
        consumer: str | None = None,
        idle: int | None = None,
    ) -> list[Delivered]:
        page: Any = self._client.xpending_range(
            self._identity.stream,
            self._identity.group,
            min=start,
            max=last,
            count=count,
            consumername=consumer,
            idle=idle,
        )
        return list(page)


def _key(fields: dict[bytes, bytes]) -> PositionKey:
    return PositionKey(fields[b"device_id"].decode(), fields[b"ts"].decode())


def _in_order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)


def _id_after(entry_id: str) -> str:
    milliseconds, _, sequence = entry_id.partition("-")
    return f"{milliseconds}-{int(sequence) + 1}"
