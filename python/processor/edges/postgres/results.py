"""What the server answered, or the error that it answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import InterfaceError, pq
from psycopg.errors import error_from_result

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult


def expect(pgconn: PGconn, results: list[PGresult], status: int) -> PGresult:
    """The last result, which must have this status. Raises psycopg.Error."""
    last = results[-1]
    if last.status == pq.ExecStatus.FATAL_ERROR:
        raise error_from_result(last, encoding=pgconn._encoding)  # noqa: SLF001
    if last.status != status:
        answered, expected = pq.ExecStatus(last.status).name, pq.ExecStatus(status).name
        raise InterfaceError(f"the server answered {answered} where {expected} was due")
    return last
