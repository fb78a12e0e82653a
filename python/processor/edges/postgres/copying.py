"""COPY FROM STDIN as one libpq conversation, and the way out of whatever was interrupted.

psycopg's AsyncCopy waits for the socket alone and takes a lock and a wait for each piece; here one
generator sends a whole batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import generators, pq

from processor.edges.postgres.results import expect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn, PGresult

_COPY_IN = pq.ExecStatus.COPY_IN


def begin_copy(pgconn: PGconn, statements: bytes, chunks: Iterable[bytes]) -> PQGen[None]:
    """Run `statements`, of which the first is a COPY FROM STDIN, and feed it `chunks`.

    Several statements in one message are one transaction. Until the end of the data is sent, it can
    be stopped, and nothing of it is committed. Raises psycopg.Error.
    """
    pgconn.send_query(statements)
    expect(pgconn, (yield from generators.execute(pgconn)), _COPY_IN)
    for chunk in chunks:
        pgconn.put_copy_data(chunk)
        # Reads as well as writes: a server that waits for its notices to be read reads no rows.
        yield from generators.send(pgconn)


def end_copy(pgconn: PGconn) -> PQGen[int]:
    """Send the end of the data: the server runs what is left of the statements, commits, and answers.

    Returns the rows that the last statement reports. Raises psycopg.Error.
    """
    pgconn.put_copy_end(None)
    last = expect(pgconn, (yield from generators.execute(pgconn)), pq.ExecStatus.COMMAND_OK)
    return last.command_tuples or 0


def leave_command(pgconn: PGconn) -> PQGen[bool]:
    """Read and drop what the server still answers, leaving COPY on the way, until it is idle.

    Returns whether the command ended in an error.
    """
    results: list[PGresult] = []
    while pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
        results = (yield from generators.execute(pgconn)) or results
        if results and results[-1].status == _COPY_IN:
            pgconn.put_copy_end(b"the writer was interrupted")
    return bool(results) and results[-1].status == pq.ExecStatus.FATAL_ERROR
