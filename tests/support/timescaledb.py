"""Makes a database look like one of an old TimescaleDB: its version, and the table's compression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg

from tests.support.chunks import ENABLE_COMPRESSION

if TYPE_CHECKING:
    from dev.servers import Database, PostgresServer

# What a plain server does not have: the extension's row, and the view of its hypertables with PUBLIC's rights.
_STAND_IN: Final = """
    INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    SELECT 4294000000, 'timescaledb', 10, 'public'::regnamespace, false, '';
    CREATE SCHEMA timescaledb_information;
    GRANT USAGE ON SCHEMA timescaledb_information TO PUBLIC;
    CREATE TABLE timescaledb_information.hypertables AS
    SELECT 'public'::name AS hypertable_schema, 'positions'::name AS hypertable_name,
           false AS compression_enabled;
    GRANT SELECT ON timescaledb_information.hypertables TO PUBLIC;
"""
# The views that say what is set for a hypertable, with those of their columns that are read.
_STAND_IN_SETTINGS: Final = """
    ALTER TABLE timescaledb_information.hypertables ADD tablespaces name[];
    CREATE TABLE timescaledb_information.dimensions AS
    SELECT 'public'::name AS hypertable_schema, 'positions'::name AS hypertable_name, 1::bigint AS dimension_number,
           'ts'::name AS column_name, '1 day'::interval AS time_interval, NULL::bigint AS integer_interval,
           NULL::name AS integer_now_func, NULL::smallint AS num_partitions;
    CREATE TABLE timescaledb_information.compression_settings (
        hypertable_schema name, hypertable_name name, attname name, segmentby_column_index smallint,
        orderby_column_index smallint, orderby_asc boolean, orderby_nullsfirst boolean);
    CREATE TABLE timescaledb_information.jobs (
        job_id int, schedule_interval interval, proc_name name, scheduled boolean, config jsonb,
        hypertable_schema name, hypertable_name name);
    GRANT SELECT ON ALL TABLES IN SCHEMA timescaledb_information TO PUBLIC;
"""
_STAND_IN_COMPRESSION: Final = (
    "UPDATE timescaledb_information.hypertables SET compression_enabled = %s"
)
# Otherwise a session loads the library of the version that the catalog names.
WITHOUT_LIBRARY: Final = "-c timescaledb.disable_load=on"


def pretend_hypertable(server: PostgresServer, database: Database) -> None:
    """Make the catalog show the table as a hypertable with chunks of a day, unless it is one."""
    if server.binaries.timescaledb is None:
        with psycopg.connect(database.admin_url) as owner:
            owner.execute(_STAND_IN)
            owner.execute(_STAND_IN_SETTINGS)


def pretend_timescaledb(
    server: PostgresServer, database: Database, version: str, *, compressed: bool
) -> None:
    """Make the catalog name this version of the extension; if it is installed, its own views are used.

    Nothing can be written to a hypertable afterwards: its library is of another version.
    """
    is_installed = server.binaries.timescaledb is not None
    if is_installed and compressed:
        with psycopg.connect(database.admin_url) as owner:
            owner.execute(ENABLE_COMPRESSION)
    with psycopg.connect(database.admin_url, options=WITHOUT_LIBRARY) as owner:
        if is_installed:
            owner.execute(
                f"ALTER ROLE processor IN DATABASE {database.name}"
                " SET timescaledb.disable_load = on".encode()
            )
        else:
            owner.execute(_STAND_IN)
            owner.execute(_STAND_IN_COMPRESSION, (compressed,))
        owner.execute(
            "UPDATE pg_extension SET extversion = %s WHERE extname = 'timescaledb'", (version,)
        )
