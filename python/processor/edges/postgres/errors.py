"""The one place where psycopg's errors become PostgresError, with texts of one line that quote no rows."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg

from processor.errors import PostgresError, PostgresRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from processor.edges.postgres.standby import CommitWait


# A server's own words follow its severity, which is in the server's language, and two spaces:
# pqBuildErrorMessage3 in src/interfaces/libpq/fe-protocol3.c. libpq's own errors have no severity.
_SEVERITY: Final = re.compile(r"(?<= failed: )[^:\n]{1,40}:  ")
_REFUSED: Final = "the server refused: "
# psycopg's words, before libpq's.
_LEAD: Final = re.compile(r"^connection (?:failed|is bad): ")


class UnfitSession(psycopg.OperationalError):
    """The server accepts us, but the session is not what we need; the message says why, and what to do."""


@contextmanager
def translated(
    where: str,
    is_usable: Callable[[], bool],
    *,
    session: int | None = None,
) -> Iterator[None]:
    """Raise PostgresError for every psycopg.Error of the block.

    `is_usable` says afterwards whether the connection can take another command. `session` is the number
    of the session, None while connecting.
    """
    try:
        yield
    except psycopg.Error as error:
        raise as_postgres_error(
            error, where=where, connection_usable=is_usable(), session=session
        ) from error


def as_postgres_error(
    error: psycopg.Error,
    *,
    where: str,
    connection_usable: bool,
    session: int | None,
    wait: CommitWait | None = None,
) -> PostgresError:
    """The error as the tasks know it. `wait` is the wait for the answer to a commit, if there is one."""
    text = _summary(error)
    is_refused = session is None and (error.sqlstate is not None or is_refusal(text))
    kind = PostgresRefused if is_refused or isinstance(error, UnfitSession) else PostgresError
    return kind(
        text,
        where=where,
        sqlstate=error.sqlstate,
        connection_usable=connection_usable,
        session=session,
        constraint=error.diag.constraint_name,
        awaits_standby=wait is not None and wait.awaits_standby,
    )


def _summary(error: psycopg.Error) -> str:
    """The server's primary message, or libpq's words, on one line.

    Detail and context are left out: they quote rows, which say where people are.
    """
    if (message := error.diag.message_primary) is not None:
        return " ".join(message.split())
    return one_line(str(error)) or type(error).__name__


def is_refusal(line: str) -> bool:
    """Whether a server, or a pooler before it, has answered one of the attempts; `line` is from `one_line`."""
    return f" failed: {_REFUSED}" in line


def one_line(text: str) -> str:
    """Libpq's text with `; ` for each line's end, and `the server refused: ` before a server's own words."""
    lines = _LEAD.sub("", _SEVERITY.sub(_REFUSED, text)).splitlines()
    # TLS was refused and the connection tried again without: the same words twice.
    return "; ".join(dict.fromkeys(" ".join(line.split()) for line in lines))
