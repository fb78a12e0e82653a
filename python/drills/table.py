"""The drill's rows in the table: found, and removed or hidden, over a session of the drill's own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from processor.core.schema import TABLE
from processor.edges.postgres.connecting import describe_hosts, parse_url
from processor.edges.postgres.connection import TrioConnection
from processor.edges.postgres.errors import translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from drills.identity import Identity

_MAY_DELETE = f"SELECT current_user::text, has_table_privilege('{TABLE}', 'DELETE')"
_TURNS = (
    f"SELECT round(extract(epoch FROM ts - %s) * 1000)::bigint FROM {TABLE} WHERE device_id = %s"
)
_DELETE = f"DELETE FROM {TABLE} WHERE device_id = ANY(%s)"
_MARK = f"UPDATE {TABLE} SET faulty = true WHERE device_id = ANY(%s) AND NOT faulty"
_WRITERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
    " AND datname = current_database() AND pid <> pg_backend_pid()"
)


class PostgresDrillTable:
    """A DrillTable. `cleaner` is the session that removes or hides the rows."""

    def __init__(
        self, connection: TrioConnection, cleaner: TrioConnection, identity: Identity, *, where: str
    ) -> None:
        self._connection = connection
        self._cleaner = cleaner
        self._identity = identity
        self._where = where

    async def role_without_delete(self) -> str | None:
        [(role, may)] = await self._ask(self._cleaner, _MAY_DELETE)
        return None if may else str(role)

    async def turns_ms(self, device_id: str, start: datetime) -> list[int]:
        return [turn for (turn,) in await self._ask(self._connection, _TURNS, start, device_id)]

    async def writers(self) -> int:
        [(count,)] = await self._ask(self._connection, _WRITERS, self._identity.name)
        return int(count)

    async def delete(self) -> int:
        return await self._change(_DELETE)

    async def mark_faulty(self) -> int:
        return await self._change(_MARK)

    async def _ask(
        self, connection: TrioConnection, query: str, *values: object
    ) -> list[tuple[Any, ...]]:
        with translated(self._where, lambda: not connection.closed):
            return await (await connection.execute(query.encode(), values)).fetchall()

    async def _change(self, statement: str) -> int:
        with translated(self._where, lambda: not self._cleaner.closed):
            cursor = await self._cleaner.execute(
                statement.encode(), (list(self._identity.device_ids),)
            )
            return cursor.rowcount


@asynccontextmanager
async def drill_table(
    url: str, identity: Identity, *, cleaner_url: str | None
) -> AsyncIterator[PostgresDrillTable]:
    """Connect to the table; `cleaner_url` for a role that may remove rows, where the first one may not.

    Raises PostgresError, and ConfigError for a URL that is none.
    """
    where = describe_hosts(parse_url(url))
    with translated(where, lambda: False):
        connection = await TrioConnection.connect(url)
    async with connection:
        if cleaner_url is None:
            yield PostgresDrillTable(connection, connection, identity, where=where)
            return
        cleaner_where = describe_hosts(parse_url(cleaner_url))
        with translated(cleaner_where, lambda: False):
            cleaner = await TrioConnection.connect(cleaner_url)
        async with cleaner:
            yield PostgresDrillTable(connection, cleaner, identity, where=where)
