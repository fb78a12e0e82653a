"""The one door through which psycopg's errors leave this edge, as PostgresError."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from processor.edges.postgres.wording import is_refusal, one_line
from processor.errors import PostgresError, PostgresRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from processor.edges.postgres.standby import CommitWait


class Unfit(psycopg.OperationalError):
    """The server lets us in, but a session there is not what we need; the message says why, and what to do."""


@contextmanager
def translated(
    where: str,
    is_usable: Callable[[], bool],
    *,
    session: int | None = None,
    wait: CommitWait | None = None,
) -> Iterator[None]:
    """Raise PostgresError for every psycopg.Error of the block.

    `is_usable` is asked afterwards whether the connection can take another command. `session` is the
    number of the session, None while connecting; `wait` is that for the answer to a commit, if it is one.
    """
    try:
        yield
    except psycopg.Error as error:
        text = _summary(error)
        is_refused = session is None and (error.sqlstate is not None or is_refusal(text))
        kind = PostgresRefused if is_refused or isinstance(error, Unfit) else PostgresError
        raise kind(
            text,
            where=where,
            sqlstate=error.sqlstate,
            connection_usable=is_usable(),
            session=session,
            constraint=error.diag.constraint_name,
            awaits_standby=wait is not None and wait.awaits_standby,
        ) from error


def _summary(error: psycopg.Error) -> str:
    """The server's primary message, or libpq's words, on one line.

    Detail and context are left out: they quote rows, and positions are people's whereabouts.
    """
    if (said := error.diag.message_primary) is not None:
        return " ".join(said.split())
    return one_line(str(error)) or type(error).__name__
