"""Refuses a pooler that gives a session's statements to servers as it likes: pool_mode transaction or statement.

There the settings and the staging table belong to anybody, and a commit is no fence behind what a probe has seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import trio

from processor.edges.postgres.errors import Unfit
from processor.edges.postgres.settings import identify

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from processor.edges.postgres.connection import TrioConnection

_REMEDY: Final = "set pool_mode = session for this database, or connect to PostgreSQL itself"
# A pool in session mode may have no server left for a second session: that is no objection.
_SECOND_SESSION_S_MAX: Final = 1.0
# A pool of two that takes turns gives the other server the second time.
_LOOKS: Final = 3


async def refuse_shared_servers(
    session: TrioConnection, connect: Callable[[], Awaitable[TrioConnection]]
) -> None:
    """Have a second session ask for a server while the first one is idle: it must not get the first one's.

    `connect` makes the second session, behind the same pooler. Raises Unfit.
    """
    with trio.move_on_after(_SECOND_SESSION_S_MAX):
        try:
            second = await connect()
        except psycopg.OperationalError:
            return
        async with second:
            await _refuse_statement_mode(second)
            if (await identify(second))[0] == session.backend_pid:
                raise _shares_servers("transaction")
    for _ in range(_LOOKS):
        refuse_another_server((await identify(session))[0], session.backend_pid)


def refuse_another_server(pid: int, former_pid: int) -> None:
    """See that the session still has the server process that it had before. Raises Unfit."""
    if pid != former_pid:
        raise _shares_servers("transaction")


async def _refuse_statement_mode(session: TrioConnection) -> None:
    try:
        await session.execute("BEGIN")
    except psycopg.Error as error:
        raise _shares_servers("statement", str(error)) from error


def _shares_servers(mode: str, said: str = "") -> Unfit:
    quoted = f" ({said})" if said else ""
    return Unfit(
        f"a pooler such as PgBouncer in {mode} mode stands before PostgreSQL{quoted}, where sessions share servers"
        f" and settings do not last: {_REMEDY}"
    )
