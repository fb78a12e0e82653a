"""Counts the table's chunks, and compresses them, if the server has TimescaleDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

    from dev.servers import PostgresServer

# As rows are read: those of a device together, in the order of time.
ENABLE_COMPRESSION = """
    ALTER TABLE positions SET (timescaledb.compress,
        timescaledb.compress_segmentby = 'device_id', timescaledb.compress_orderby = 'ts')
"""
COMPRESS = "SELECT count(compress_chunk(chunk)) FROM show_chunks('positions') chunk"


def compress(owner: psycopg.Connection[Any], server: PostgresServer) -> int:
    """Compress all chunks; returns how many, 0 for a plain table."""
    if server.binaries.timescaledb is None:
        return 0
    owner.execute(ENABLE_COMPRESSION)
    [count] = owner.execute(COMPRESS).fetchone() or (0,)
    return int(count)


def tables_in_use(owner: psycopg.Connection[Any]) -> int:
    """How many tables the rows are in: chunks, or the plain table itself."""
    query = "SELECT count(DISTINCT tableoid) FROM positions"
    [count] = owner.execute(query).fetchone() or (0,)
    return int(count)
