"""Statements as psycopg's generators: what the server answered, or the error that it answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import InterfaceError, generators, pq
from psycopg.errors import error_from_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn, PGresult


def expect(pgconn: PGconn, results: list[PGresult], status: int) -> PGresult:
    """The last result, which must have this status. Raises psycopg.Error."""
    last = _answer(pgconn, results)
    if last.status != status:
        answered, expected = pq.ExecStatus(last.status).name, pq.ExecStatus(status).name
        raise InterfaceError(f"the server answered {answered} where {expected} was due")
    return last


def run(pgconn: PGconn, statement: bytes) -> PQGen[None]:
    """Run a statement whose answer matters only if it is an error. Raises psycopg.Error."""
    pgconn.send_query(statement)
    _answer(pgconn, (yield from generators.execute(pgconn)))


def query_binary(
    pgconn: PGconn, query: bytes, types: Sequence[int], values: Sequence[bytes]
) -> PQGen[list[tuple[bytes, ...]]]:
    """Run a statement whose parameters and answer are in the binary format, and return its rows.

    A statement that returns no rows gives an empty list; no field may be NULL. Raises psycopg.Error.
    """
    binary = [pq.Format.BINARY] * len(values)
    pgconn.send_query_params(query, values, types, binary, pq.Format.BINARY)
    result = _answer(pgconn, (yield from generators.execute(pgconn)))
    places = range(result.nfields)
    return [tuple(_field(result, row, place) for place in places) for row in range(result.ntuples)]


def leave_command(pgconn: PGconn) -> PQGen[bool]:
    """Read and drop the rest of an interrupted command's answer, leaving COPY on the way, until the server is idle.

    Returns whether the command ended in an error.
    """
    results: list[PGresult] = []
    while pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
        results = (yield from generators.execute(pgconn)) or results
        if results and results[-1].status == pq.ExecStatus.COPY_IN:
            pgconn.put_copy_end(b"the writer was interrupted")
    return bool(results) and results[-1].status == pq.ExecStatus.FATAL_ERROR


def _answer(pgconn: PGconn, results: list[PGresult]) -> PGresult:
    if results[-1].status == pq.ExecStatus.FATAL_ERROR:
        raise error_from_result(results[-1], encoding=pgconn._encoding)  # noqa: SLF001
    return results[-1]


def _field(result: PGresult, row: int, place: int) -> bytes:
    value = result.get_value(row, place)
    assert value is not None, "the statements of this edge ask for NOT NULL columns"
    return value
