"""Pending entries on a Redis server: listed, claimed, delivered again, and their leases renewed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from processor.core.attempts import PendingEntry
from processor.edges.ports import Claim, Redelivered
from processor.edges.redis.connections import Connections
from processor.edges.redis.names import StreamNames
from processor.edges.redis.replies import as_integer, as_list, as_pending_entries, as_text, as_texts
from processor.edges.redis.scripts import (
    ABSENT,
    CLAIM,
    IDS_MAX,
    LEAVE_GROUP,
    LIST_PENDING,
    RELEASE,
    RENEW,
)
from telemetry._codec import Delivery, ReplyParser
from telemetry.chassis.errors import RedisRefused
from telemetry.chassis.redis.commands import encode

if TYPE_CHECKING:
    from telemetry.chassis.redis.connection import RedisConnection

# Longer than any claim threshold. Redis takes an idle time that reaches back before 1970 for none.
RELEASED_IDLE_MS = 86_400_000


class PendingEntries:
    """The group's pending list, for one consumer. Without the group it is empty."""

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
        """Own entries behind `after_id`, `count` at most."""
        names, listed = self._names, list[PendingEntry]()
        while len(listed) < count:
            asked_for = min(count - len(listed), IDS_MAX)
            wire = LIST_PENDING.call(
                (names.stream, names.attempts), names.group, names.consumer, after_id, asked_for
            )
            found = as_pending_entries(await self._connections.claims.request(wire))
            listed += found
            if len(found) < asked_for:
                break
            after_id = found[-1].entry_id
        return listed

    async def claim(self, cursor: str, count: int, *, idle_ms: int) -> Claim:
        """Claim IDS_MAX at most, in one script: who hears of an entry hears of its failures, too."""
        names = self._names
        wire = CLAIM.call(
            (names.stream, names.attempts),
            *(names.group, names.consumer, idle_ms, cursor, min(count, IDS_MAX)),
        )
        next_cursor, entries, lost_ids = as_list(await self._connections.claims.request(wire))
        return Claim(
            cursor=as_text(next_cursor),
            entries=as_pending_entries(entries),
            lost_ids=as_texts(lost_ids),
        )

    async def redeliver(self, entry_ids: Sequence[str]) -> Redelivered:
        """Deliver what is still ours once more.

        XCLAIM says nothing of entries that were deleted since their leases were renewed, as a rule a
        moment before: of those it leaves out the absent ones are lost as well. The others somebody
        else has settled, while this process stood still.
        """
        connection = self._connections.claims
        leased, lost = await self._lease(connection, entry_ids)
        if not leased:
            return Redelivered(self._nothing(), lost)
        names = self._names
        wire = encode("XCLAIM", names.stream, names.group, names.consumer, 0, *leased)
        try:
            delivery = await connection.delivery(wire)
        except RedisRefused as error:
            if error.code != "NOGROUP":
                raise
            return Redelivered(self._nothing(), lost)
        if delivery.entries < len(leased):
            lost += await self._absent(connection, _missing(leased, delivery))
        return Redelivered(delivery, lost)

    async def renew(self, entry_ids: Sequence[str]) -> list[str]:
        """Renew the leases of what is still ours, on the connection of what is in flight."""
        leased, _ = await self._lease(self._connections.control, entry_ids)
        return leased

    async def release(self, entry_ids: Sequence[str]) -> list[str]:
        """Have others claim at once what is still ours."""
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
            ours, gone = as_list(await connection.request(wire))
            leased += as_texts(ours)
            lost += as_texts(gone)
        return leased, lost

    async def _absent(self, connection: RedisConnection, entry_ids: Sequence[str]) -> list[str]:
        absent: list[str] = []
        for ids in _chunks(entry_ids):
            absent += as_texts(await connection.request(ABSENT.call((self._names.stream,), *ids)))
        return absent

    def _nothing(self) -> Delivery:
        parser = self._new_parser()
        parser.feed(b"*0\r\n")
        delivery = parser.next_claim()
        assert isinstance(delivery, Delivery)
        return delivery


def _chunks(entry_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(entry_ids), IDS_MAX):
        yield entry_ids[start : start + IDS_MAX]


def _missing(entry_ids: Sequence[str], delivery: Delivery) -> list[str]:
    """Those of the ids that the delivery does not hold."""
    held = {
        *delivery.batch.entry_ids,
        *(rejection.entry_id for rejection in delivery.rejections),
    }
    return [entry_id for entry_id in entry_ids if entry_id not in held]
