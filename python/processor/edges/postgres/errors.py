"""The one door through which psycopg's errors leave this edge, as PostgresError."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from processor.errors import PostgresError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def translated(
    where: str, is_usable: Callable[[], bool], *, session: int | None = None
) -> Iterator[None]:
    """Raise PostgresError for every psycopg.Error of the block.

    `is_usable` is asked afterwards whether the connection can take another command. `session` is the
    number of the session, None while connecting.
    """
    try:
        yield
    except psycopg.Error as error:
        raise PostgresError(
            _summary(error),
            where=where,
            sqlstate=error.sqlstate,
            connection_usable=is_usable(),
            session=session,
            constraint=error.diag.constraint_name,
        ) from error


def _summary(error: psycopg.Error) -> str:
    """The server's primary message, or libpq's words, on one line.

    Detail and context are left out: they quote rows, and positions are people's whereabouts.
    """
    return " ".join((error.diag.message_primary or str(error) or type(error).__name__).split())
