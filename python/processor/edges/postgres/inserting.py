"""How a small batch is written: one INSERT from arrays, prepared once a session, which is a transaction by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import generators, pq
from psycopg.errors import DuplicatePreparedStatement

from processor.core.schema import KEY_COLUMNS, TABLE, WRITTEN_COLUMNS
from processor.edges.postgres.rows import COLUMN_LIST
from processor.edges.postgres.statements import expect, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn

_NAME: Final = b"processor_insert"
# One array a column, unnested side by side. As functions in FROM they would each fill a store of tuples first, which
# costs the server a quarter more. The rows come in the order of the arrays, which is that of the key: two writers
# that insert the same keys in different orders deadlock.
_UNNESTED: Final = ", ".join(
    f"unnest(${place}::{column.type}[])" for place, column in enumerate(WRITTEN_COLUMNS, start=1)
)
_INSERT: Final = (
    f"INSERT INTO {TABLE} ({COLUMN_LIST}) SELECT {_UNNESTED}"
    f" ON CONFLICT ({', '.join(KEY_COLUMNS)}) DO NOTHING"
).encode()
_BINARY: Final = [pq.Format.BINARY] * len(WRITTEN_COLUMNS)

INVALID_STATEMENT_NAME: Final = "26000"
"""The session does not have the statement: it ran DISCARD ALL, in the name of a pooler or of a trigger."""


def prepare_insert(pgconn: PGconn) -> PQGen[None]:
    """Have the session prepare the statement of `insert_arrays`. Raises psycopg.Error."""
    try:
        yield from _prepare(pgconn)
    except DuplicatePreparedStatement:
        # A pooler without `server_reset_query` has given us a server process that has an earlier session's statement.
        # That session may have been of another version.
        yield from run(pgconn, b"DEALLOCATE " + _NAME)
        yield from _prepare(pgconn)


def insert_arrays(pgconn: PGconn, arrays: Sequence[bytes]) -> PQGen[int]:
    """Insert rows whose keys are not in the table, and commit; `arrays` is from `Batch.insert_arrays`.

    Returns the number of rows that are inserted. Raises psycopg.Error.
    """
    pgconn.send_query_prepared(_NAME, arrays, _BINARY)
    last = expect(pgconn, (yield from generators.execute(pgconn)), pq.ExecStatus.COMMAND_OK)
    return last.command_tuples or 0


def _prepare(pgconn: PGconn) -> PQGen[None]:
    pgconn.send_prepare(_NAME, _INSERT)
    expect(pgconn, (yield from generators.execute(pgconn)), pq.ExecStatus.COMMAND_OK)
