"""How rows are written: COPY into the table, or into a staging table first, each as one transaction.

psycopg's AsyncCopy waits for the socket alone and takes a lock and a wait for each piece; here one
generator sends a whole batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import generators, pq

from processor.core.schema import KEY_COLUMNS, TABLE, WRITTEN_COLUMNS
from processor.edges.postgres.rows import COLUMN_LIST
from processor.edges.postgres.statements import expect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn

# Larger pieces cost libpq more memmove when the socket takes only a part, smaller ones more calls.
# CPU was flat from 64 KiB to 512 KiB on TCP and on a Unix socket alike.
COPY_CHUNK_BYTES: Final = 256 * 1024

COPY_DIRECT: Final = f"COPY {TABLE} ({COLUMN_LIST}) FROM STDIN (FORMAT binary)".encode()

_STAGING: Final = "processor_staging"
# Kept for the session: a table for each batch bloats the catalog.
CREATE_STAGING: Final = (
    f"CREATE TEMPORARY TABLE IF NOT EXISTS {_STAGING} ("
    + ", ".join(f"{column.name} {column.type}" for column in WRITTEN_COLUMNS)
    + ") ON COMMIT DELETE ROWS"
).encode()
# One message is one transaction. Ordered, because two writers that insert the same keys in
# different orders deadlock.
COPY_STAGED: Final = (
    f"COPY pg_temp.{_STAGING} ({COLUMN_LIST}) FROM STDIN (FORMAT binary);"
    f"INSERT INTO {TABLE} ({COLUMN_LIST}) SELECT {COLUMN_LIST} FROM pg_temp.{_STAGING}"
    f" ORDER BY {', '.join(KEY_COLUMNS)} ON CONFLICT ({', '.join(KEY_COLUMNS)}) DO NOTHING"
).encode()


def begin_copy(pgconn: PGconn, statements: bytes, chunks: Iterable[bytes]) -> PQGen[None]:
    """Run `statements`, of which the first is a COPY FROM STDIN, and send it `chunks`.

    Several statements in one message are one transaction. Until the end of the data is sent, it can
    be stopped, and nothing of it is committed. Raises psycopg.Error.
    """
    pgconn.send_query(statements)
    expect(pgconn, (yield from generators.execute(pgconn)), pq.ExecStatus.COPY_IN)
    for chunk in chunks:
        pgconn.put_copy_data(chunk)
        # Reads as well as writes: a server that waits for its notices to be read reads no rows.
        yield from generators.send(pgconn)


def end_copy(pgconn: PGconn) -> PQGen[int]:
    """Send the end of the data: the server runs the rest of the statements, commits, and answers.

    Returns the rows that the last statement reports. Raises psycopg.Error.
    """
    pgconn.put_copy_end(None)
    last = expect(pgconn, (yield from generators.execute(pgconn)), pq.ExecStatus.COMMAND_OK)
    return last.command_tuples or 0
