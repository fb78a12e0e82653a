"""The three connections of one consumer: one reads, one settles what is in flight, one claims pending entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from telemetry._codec import ReplyParser
from telemetry.chassis.errors import RedisError, RedisUnavailable
from telemetry.chassis.lock import Lock
from telemetry.chassis.redis.cluster.homes import Homes
from telemetry.chassis.redis.connection import RedisConnection
from telemetry.chassis.redis.limits import RedisLimits
from telemetry.chassis.redis.resp import Argument, encode

if TYPE_CHECKING:
    from telemetry._codec import Reply


class Connections:
    """Opens the connections that are missing, and gives access to them.

    Pending entries have a connection of their own: no acknowledgement waits behind their large replies,
    and an interrupted claim costs no other connection.
    """

    def __init__(
        self,
        homes: Homes,
        *,
        client_name: str,
        limits: RedisLimits,
        new_parser: Callable[[], ReplyParser],
        keys: Sequence[str],
    ) -> None:
        """Nothing is connected yet; `new_parser` makes the parser of a new connection. `keys` are used together."""
        self.where = homes.where
        self.limits = limits
        self._homes = homes
        self._keys = keys
        self._client_name = client_name
        self._new_parser = new_parser
        self._connecting = Lock()
        self._reader: RedisConnection | None = None
        self._control: RedisConnection | None = None
        self._claims: RedisConnection | None = None

    @property
    def reader(self) -> RedisConnection:
        """Reads new entries, blocking. Raises RedisUnavailable before `connect`, like the others."""
        return self._connected(self._reader)

    @property
    def control(self) -> RedisConnection:
        """Acknowledges, records failures, renews leases, reads the lag, wakes the reader."""
        return self._connected(self._control)

    @property
    def claims(self) -> RedisConnection:
        """Lists, claims and redelivers pending entries."""
        return self._connected(self._claims)

    async def connect(self) -> None:
        """Make the connections that are missing. Raises what `Homes.open` raises."""
        async with self._connecting:
            if self._control is None or self._control.closed:
                self._control = await self._open("control")
            if self._reader is None or self._reader.closed:
                self._reader = await self._open_reader()
            if self._claims is None or self._claims.closed:
                self._claims = await self._open("claims")

    async def unblock_reader(self, reader: RedisConnection) -> None:
        """Wake the read that is blocked on that connection, if there is one."""
        await ask(self.control, "CLIENT", "UNBLOCK", reader.client_id)

    async def keep_alive(self) -> None:
        """Ping on idle connections, and replace those that turn out to be closed. Raises like `connect`."""
        for connection in self._all:
            if connection.idle_s * 1000 >= self.limits.idle_ms_max:
                # A refusal is an answer as well: the user may not be allowed to PING.
                with suppress(RedisError):
                    await ask(connection, "PING")
        await self.connect()

    def close(self) -> None:
        """Close all of them at once."""
        for connection in self._all:
            connection.close()

    @property
    def _all(self) -> list[RedisConnection]:
        opened = (self._control, self._reader, self._claims)
        return [connection for connection in opened if connection is not None]

    async def _open(self, role: str) -> RedisConnection:
        connection = await self._homes.open(
            self._new_parser,
            name=f"{self._client_name}:{role}",
            limits=self.limits,
            keys=self._keys,
        )
        connection.when_moved = partial(self._close_all_after, connection)
        if self._homes.may_move:
            self._leave_other_servers(connection)
        return connection

    def _leave_other_servers(self, connection: RedisConnection) -> None:
        """Close those to another server than this one: since they were opened, another has become the master."""
        for each in self._all:
            if each.where != connection.where:
                each.close()

    def _close_all_after(self, connection: RedisConnection) -> None:
        """Close the others too: they were opened to the same server, which is not the one to work on."""
        if connection in self._all:
            self.close()

    async def _open_reader(self) -> RedisConnection:
        reader = await self._open("reader")
        try:
            # Neither is needed yet: a user that may not do this is found now.
            await self.unblock_reader(reader)
            await ask(reader, "TIME")
        except BaseException:
            reader.close()
            raise
        return reader

    def _connected(self, connection: RedisConnection | None) -> RedisConnection:
        if connection is None:
            raise RedisUnavailable("not connected", where=self.where)
        return connection


async def ask(connection: RedisConnection, *arguments: Argument) -> Reply:
    """Send one command and return its reply."""
    return await connection.request(encode(*arguments))
