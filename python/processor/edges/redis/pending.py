"""The pending entries list: entries are listed, claimed, redelivered and released, and their leases renewed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from processor.core.attempts import Attempts, PendingEntry
from processor.core.idle_times import RELEASED_IDLE_MS
from processor.edges.ports import Claim, Redelivered
from processor.edges.redis.connections import Connections
from processor.edges.redis.names import StreamNames
from processor.edges.redis.scripts import (
    CLAIM,
    FIND_DELETED,
    IDS_MAX,
    LEAVE_GROUP,
    LIST_PENDING,
    RELEASE,
    RENEW,
)
from telemetry._codec import Delivery, ReplyParser
from telemetry.chassis.errors import RedisRefused
from telemetry.chassis.redis.resp import as_integer, as_list, as_text, as_texts, encode

if TYPE_CHECKING:
    from telemetry._codec import Reply
    from telemetry.chassis.redis.connection import RedisConnection


class PendingEntries:
    """The group's pending entries list, for one consumer. Without the group it is empty."""

    def __init__(
        self,
        connections: Connections,
        names: StreamNames,
        *,
        new_parser: Callable[[], ReplyParser],
    ) -> None:
        self._connections = connections
        self._names = names
        self._new_parser = new_parser

    async def list_own(self, after_id: str, count: int) -> list[PendingEntry]:
        """List own entries behind `after_id`, `count` at most."""
        names, listed = self._names, list[PendingEntry]()
        while len(listed) < count:
            asked_for = min(count - len(listed), IDS_MAX)
            wire = LIST_PENDING.call(
                (names.stream, names.attempts), names.group, names.consumer, after_id, asked_for
            )
            found = _as_pending_entries(await self._connections.claims.request(wire))
            listed += found
            if len(found) < asked_for:
                break
            after_id = found[-1].entry_id
        return listed

    async def claim(self, cursor: str, count: int, *, idle_ms: int) -> Claim:
        """Claim IDS_MAX at most, in one script that also returns the recorded attempts of each entry."""
        names = self._names
        wire = CLAIM.call(
            (names.stream, names.attempts),
            *(names.group, names.consumer, idle_ms, cursor, min(count, IDS_MAX)),
        )
        next_cursor, entries, lost_ids = as_list(await self._connections.claims.request(wire))
        return Claim(
            cursor=as_text(next_cursor),
            entries=_as_pending_entries(entries),
            lost_ids=as_texts(lost_ids),
        )

    async def redeliver(self, entry_ids: Sequence[str]) -> Redelivered:
        """Deliver entries once more that are still ours.

        XCLAIM silently leaves out entries that were deleted since their leases were renewed, a moment
        before as a rule: those count as lost, too. Others that it leaves out were settled by another
        consumer, while this process stood still.
        """
        connection = self._connections.claims
        leased, lost = await self._lease(connection, entry_ids)
        if not leased:
            return Redelivered(self._empty_delivery(), lost)
        names = self._names
        wire = encode("XCLAIM", names.stream, names.group, names.consumer, 0, *leased)
        try:
            delivery = await connection.delivery(wire)
        except RedisRefused as error:
            if error.code != "NOGROUP":
                raise
            return Redelivered(self._empty_delivery(), lost)
        if delivery.entries < len(leased):
            lost += await self._deleted(connection, _missing(leased, delivery))
        return Redelivered(delivery, lost)

    async def renew(self, entry_ids: Sequence[str]) -> list[str]:
        """Renew the leases of entries that are still ours, on the connection for what is in flight."""
        leased, _ = await self._lease(self._connections.control, entry_ids)
        return leased

    async def release(self, entry_ids: Sequence[str]) -> list[str]:
        """Make entries that are still ours claimable at once."""
        names, released = self._names, list[str]()
        for ids in _chunks(entry_ids):
            wire = RELEASE.call(
                (names.stream,), names.group, names.consumer, RELEASED_IDLE_MS, *ids
            )
            released += as_texts(await self._connections.control.request(wire))
        return released

    async def leave_group(self) -> bool:
        """Delete our name, unless entries are pending under it."""
        names = self._names
        wire = LEAVE_GROUP.call((names.stream,), names.group, names.consumer)
        return as_integer(await self._connections.control.request(wire)) == 1

    async def _lease(
        self, connection: RedisConnection, entry_ids: Sequence[str]
    ) -> tuple[list[str], list[str]]:
        names, leased, lost = self._names, list[str](), list[str]()
        for ids in _chunks(entry_ids):
            wire = RENEW.call((names.stream,), names.group, names.consumer, *ids)
            leased_ids, lost_ids = as_list(await connection.request(wire))
            leased += as_texts(leased_ids)
            lost += as_texts(lost_ids)
        return leased, lost

    async def _deleted(self, connection: RedisConnection, entry_ids: Sequence[str]) -> list[str]:
        deleted: list[str] = []
        for ids in _chunks(entry_ids):
            wire = FIND_DELETED.call((self._names.stream,), *ids)
            deleted += as_texts(await connection.request(wire))
        return deleted

    def _empty_delivery(self) -> Delivery:
        parser = self._new_parser()
        parser.feed(b"*0\r\n")
        delivery = parser.next_claim()
        assert isinstance(delivery, Delivery)
        return delivery


def _chunks(entry_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(entry_ids), IDS_MAX):
        yield entry_ids[start : start + IDS_MAX]


def _missing(entry_ids: Sequence[str], delivery: Delivery) -> list[str]:
    """The ids that are not in the delivery."""
    delivered = {
        *delivery.batch.entry_ids,
        *(rejection.entry_id for rejection in delivery.rejections),
    }
    return [entry_id for entry_id in entry_ids if entry_id not in delivered]


def _as_pending_entries(reply: Reply) -> list[PendingEntry]:
    """What the scripts return of pending entries: {id, deliveries, recorded attempts as JSON or nil} each."""
    return [_as_pending_entry(*as_list(row)) for row in as_list(reply)]


def _as_pending_entry(entry_id: Reply, deliveries: Reply, recorded: Reply = None) -> PendingEntry:
    return PendingEntry(
        entry_id=as_text(entry_id),
        deliveries=as_integer(deliveries),
        attempts=Attempts.parse(recorded) if isinstance(recorded, bytes) else None,
    )
