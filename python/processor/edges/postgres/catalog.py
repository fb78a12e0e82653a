"""The facts about the table for the schema check, from the catalog: any role may read them, also of hypertables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg

from processor.core.schema import (
    KEY_COLUMNS,
    TABLE,
    TABLE_NAME,
    TABLE_PRIVILEGES,
    TABLE_SCHEMA,
    Column,
    Index,
    TableFacts,
    drops_rows_in_compressed_chunks,
)
from processor.edges.postgres.rows import COLUMN_LIST

if TYPE_CHECKING:
    from processor.edges.postgres.connection import TrioConnection

# pg_class instead of to_regclass, which raises for a role without USAGE on the schema.
_OWN_TABLE = """
SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p')
"""
_COLUMNS = """
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attidentity <> '' OR a.attgenerated <> ''
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_INDEXES = """
SELECT ARRAY(SELECT coalesce(a.attname, '')::text
             FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY k (attnum, position)
             LEFT JOIN pg_catalog.pg_attribute a
                    ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.attnum > 0
             ORDER BY k.position),
       i.indisunique, i.indisvalid, i.indimmediate, pg_catalog.pg_get_expr(i.indpred, i.indrelid)
FROM pg_catalog.pg_index i WHERE i.indrelid = %s
"""
_PRIVILEGES = """
SELECT p FROM unnest(%s::text[]) p WHERE pg_catalog.has_table_privilege(%s::oid, p)
UNION ALL SELECT 'USAGE' WHERE pg_catalog.has_schema_privilege(%s, 'USAGE')
UNION ALL SELECT 'TEMPORARY'
          WHERE pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')
"""
_ROW_SECURITY = "SELECT pg_catalog.row_security_active(%s::oid)"
_TIMESCALEDB = "SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'timescaledb'"
# A view that every role may read, in all versions that are asked (sql/views.sql of TimescaleDB). Where it says
# no, there are no compressed chunks: compression cannot be switched off while there are some.
_IS_COMPRESSED = """
SELECT EXISTS (SELECT FROM timescaledb_information.hypertables
               WHERE hypertable_schema = %s AND hypertable_name = %s AND compression_enabled)
"""
# Plans an INSERT like those of batches, which finds what the questions above did not ask.
_PLAN: Final = (
    f"EXPLAIN INSERT INTO {TABLE} ({COLUMN_LIST}) SELECT {COLUMN_LIST} FROM {TABLE} WHERE false"
    f" ON CONFLICT ({', '.join(KEY_COLUMNS)}) DO NOTHING"
)


async def read_table_facts(connection: TrioConnection) -> TableFacts:
    """Read the catalog; no columns if there is no such table. Raises psycopg.Error."""
    cursor = await connection.execute(_OWN_TABLE, (TABLE_SCHEMA, TABLE_NAME))
    found = await cursor.fetchone()
    if found is None:
        return TableFacts((), (), frozenset())
    [oid] = found
    columns = await (await connection.execute(_COLUMNS, (oid,))).fetchall()
    indexes = await (await connection.execute(_INDEXES, (oid,))).fetchall()
    asked = (list(TABLE_PRIVILEGES), oid, TABLE_SCHEMA)
    privileges = await (await connection.execute(_PRIVILEGES, asked)).fetchall()
    [row_security] = await (await connection.execute(_ROW_SECURITY, (oid,))).fetchone() or (False,)
    version = await _timescaledb_version(connection)
    return TableFacts(
        columns=tuple(Column(*row) for row in columns),
        indexes=tuple(Index(tuple(keys), *rest) for keys, *rest in indexes),
        privileges=frozenset(name for (name,) in privileges),
        row_security=bool(row_security),
        timescaledb_version=version,
        is_compressed=await _may_lose_rows(connection, version),
    )


async def plan_write(connection: TrioConnection) -> tuple[str, ...]:
    """Have the server plan a write; returns its objection, if any. Raises psycopg.Error."""
    try:
        await connection.execute(_PLAN)
    except (psycopg.ProgrammingError, psycopg.NotSupportedError) as error:
        return (f"the server would refuse the write: {error.diag.message_primary}",)
    return ()


async def _timescaledb_version(connection: TrioConnection) -> str | None:
    found = await (await connection.execute(_TIMESCALEDB)).fetchone()
    return None if found is None else str(found[0])


async def _may_lose_rows(connection: TrioConnection, version: str | None) -> bool:
    # Newer versions are not asked: a changed catalog must not keep the service from starting.
    if version is None or not drops_rows_in_compressed_chunks(version):
        return False
    asked = (TABLE_SCHEMA, TABLE_NAME)
    [compressed] = await (await connection.execute(_IS_COMPRESSED, asked)).fetchone() or (False,)
    return bool(compressed)
