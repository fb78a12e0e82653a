"""Reads what TimescaleDB has set for the table: chunks, dimensions, compression and policies.

Its information views differ between versions. Their rows are read as JSON, where a column that a version does not have
is absent instead of an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.core.schema import TABLE_NAME, TABLE_SCHEMA

if TYPE_CHECKING:
    from processor.edges.postgres.connection import TrioConnection

_INSTALLED: Final = "SELECT FROM pg_extension WHERE extname = 'timescaledb'"
_OURS: Final = "hypertable_schema = %(schema)s AND hypertable_name = %(table)s"
# `config` names the hypertable by its number, which is of one database.
_SETTINGS: Final = f"""
SELECT * FROM (
    SELECT 1, 'hypertable',
           concat_ws(', ', CASE WHEN (row ->> 'compression_enabled')::boolean
                                THEN 'with compression' ELSE 'without compression' END,
                     'tablespaces ' || (row ->> 'tablespaces'))
    FROM (SELECT to_jsonb(v) FROM timescaledb_information.hypertables v WHERE {_OURS}) AS h (row)
    UNION ALL
    SELECT 2, 'hypertable dimension ' || (row ->> 'column_name'),
           concat_ws(', ', 'number ' || (row ->> 'dimension_number'),
                     'chunks of ' || coalesce(row ->> 'time_interval', row ->> 'integer_interval'),
                     (row ->> 'num_partitions') || ' partitions',
                     'now by ' || (row ->> 'integer_now_func'))
    FROM (SELECT to_jsonb(v) FROM timescaledb_information.dimensions v WHERE {_OURS}) AS d (row)
    UNION ALL
    SELECT 3, 'hypertable compression of column ' || (row ->> 'attname'),
           concat_ws(' ', 'segment by, place ' || (row ->> 'segmentby_column_index'),
                     'order by, place ' || (row ->> 'orderby_column_index'),
                     CASE (row ->> 'orderby_asc')::boolean WHEN true THEN 'ASC' WHEN false THEN 'DESC' END,
                     CASE (row ->> 'orderby_nullsfirst')::boolean WHEN true THEN 'NULLS FIRST'
                                                                  WHEN false THEN 'NULLS LAST' END)
    FROM (SELECT to_jsonb(v) FROM timescaledb_information.compression_settings v WHERE {_OURS}) AS c (row)
    UNION ALL
    SELECT 4, 'hypertable policy ' || (row ->> 'proc_name'),
           string_agg(concat_ws(', ', 'every ' || (row ->> 'schedule_interval'),
                                (row -> 'config') - 'hypertable_id',
                                CASE WHEN NOT (row ->> 'scheduled')::boolean THEN 'not scheduled' END),
                      '; ' ORDER BY row ->> 'job_id')
    FROM (SELECT to_jsonb(v) FROM timescaledb_information.jobs v WHERE {_OURS}) AS j (row)
    GROUP BY row ->> 'proc_name'
) AS settings (place, name, text) ORDER BY place, name
"""


async def read_hypertable(connection: TrioConnection) -> dict[str, str]:
    """The settings by name; none without the extension, or for a plain table. Raises psycopg.Error."""
    if await (await connection.execute(_INSTALLED)).fetchone() is None:
        return {}
    asked = {"schema": TABLE_SCHEMA, "table": TABLE_NAME}
    found = await (await connection.execute(_SETTINGS.encode(), asked)).fetchall()
    return {str(name): str(text) for _, name, text in found}
