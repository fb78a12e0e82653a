"""Reads the set of known devices from Redis, in steps that hold up nobody else there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from telemetry._codec import ReplyParser
from telemetry.chassis.errors import RedisUnavailable
from telemetry.chassis.redis.limits import RedisLimits
from telemetry.chassis.redis.resp import as_list, encode

if TYPE_CHECKING:
    from telemetry._codec import Reply
    from telemetry.chassis.redis.cluster.homes import Homes
    from telemetry.chassis.redis.connection import RedisConnection

# Redis serves nobody else during a step: half a millisecond for so many, where 100,000 at once take fifty.
MEMBERS_PER_STEP: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowlist:
    """Where the set is."""

    homes: Homes
    key: str
    client_name: str
    limits: RedisLimits = field(default_factory=RedisLimits)

    async def read(self) -> frozenset[bytes]:
        """All members; none if there is no such key. Raises RedisUnavailable and RedisRefused.

        Over a connection of its own, opened for this: it would be idle until the next time.
        """
        connection = await self.homes.open(
            ReplyParser, name=self.client_name, limits=self.limits, keys=(self.key,)
        )
        try:
            return await self._scan(connection)
        finally:
            connection.close()

    async def _scan(self, connection: RedisConnection) -> frozenset[bytes]:
        members: set[bytes] = set()
        cursor = b"0"
        while True:
            reply = await connection.request(
                encode("SSCAN", self.key, cursor, "COUNT", MEMBERS_PER_STEP)
            )
            try:
                cursor, found = _step_of(reply)
            except TypeError as error:
                raise RedisUnavailable(f"{error}: is it a Redis?", where=connection.where) from None
            members.update(found)
            if cursor == b"0":
                return frozenset(members)


def _step_of(reply: Reply) -> tuple[bytes, list[bytes]]:
    match as_list(reply):
        case [bytes(cursor), list(found)]:
            # A set has nothing but strings; a member that is no IMEI is no device.
            return cursor, found  # type: ignore[return-value]
    raise TypeError("a cursor and members were expected")
