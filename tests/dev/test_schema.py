"""The schema fixture follows the contract, and grants the processor no more than it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors

from dev.schema import apply_schema, create_database
from dev.servers import launch_postgres

if TYPE_CHECKING:
    from dev.servers import Database, PostgresBinaries, PostgresServer

CONTRACT = [
    ("device_id", "text", True, None),
    ("ts", "timestamp with time zone", True, None),
    ("ingested_at", "timestamp with time zone", True, "now()"),
    ("latitude", "double precision", True, None),
    ("longitude", "double precision", True, None),
    ("altitude", "real", True, None),
    ("angle", "real", True, None),
    ("speed", "real", True, None),
    ("satellites", "smallint", True, None),
    ("priority", "smallint", True, None),
    ("codec", "text", True, None),
    ("attributes", "jsonb", True, None),
    ("faulty", "boolean", True, "false"),
]

COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = 'positions'::regclass AND attnum > 0 AND NOT attisdropped
    ORDER BY attnum
"""

# The first and the last microsecond of each of three days.
THREE_DAYS = """
    INSERT INTO positions SELECT '356307042441000', ts, now(), 0, 0, 0, 0, 0, 0, 0, '8', '{}'
    FROM generate_series(timestamptz '2026-05-01', '2026-05-03', '1 day') day,
         LATERAL (VALUES (day), (day + interval '1 day' - interval '1 us')) moments (ts)
"""
DAYS_TOGETHER = (
    "SELECT array_agg(DISTINCT extract(day FROM ts)::int) FROM positions GROUP BY tableoid"
)
EXTENSION = "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"


def test_the_table_has_the_contracts_columns_in_their_order(database: Database) -> None:
    with psycopg.connect(database.processor_url) as connection:
        assert connection.execute(COLUMNS).fetchall() == CONTRACT


def test_the_table_has_the_contracts_indexes(database: Database) -> None:
    query = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'positions' ORDER BY 1"
    with psycopg.connect(database.processor_url) as connection:
        indexes: dict[str, str] = dict(connection.execute(query).fetchall())
    definitions = {name: text.split(" USING btree ")[1] for name, text in indexes.items()}
    assert definitions == {
        "positions_device_ts": "(device_id, ts)",
        "positions_faulty_idx": "(device_id, ts DESC) WHERE (NOT faulty)",
        "positions_ts": "(ts DESC)",
    }
    assert "UNIQUE" in indexes["positions_device_ts"]


def test_applying_the_schema_again_changes_nothing(
    database: Database, postgres_server: PostgresServer
) -> None:
    apply_schema(database.admin_url, processor_password=postgres_server.processor_password)
    with psycopg.connect(database.processor_url) as connection:
        assert connection.execute(COLUMNS).fetchall() == CONTRACT


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM positions",
        "INSERT INTO positions SELECT * FROM positions",
        "UPDATE positions SET faulty = faulty",
        "CREATE TEMPORARY TABLE staging (LIKE positions)",
    ],
)
def test_the_processor_may(database: Database, statement: str) -> None:
    with psycopg.connect(database.processor_url) as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM positions",
        "TRUNCATE positions",
        "ALTER TABLE positions ADD COLUMN more int",
        "CREATE INDEX ON positions (speed)",
        "CREATE TABLE mine (n int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
    ],
)
def test_the_processor_may_not(database: Database, statement: str) -> None:
    with (
        psycopg.connect(database.processor_url) as connection,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


def test_the_database_has_timescaledb_exactly_where_the_installation_has_it(
    database: Database, postgres_server: PostgresServer
) -> None:
    version = postgres_server.binaries.timescaledb
    with psycopg.connect(database.processor_url) as connection:
        assert connection.execute(EXTENSION).fetchone() == ((version,) if version else None)


def test_a_hypertable_has_a_chunk_for_each_day_and_a_plain_table_keeps_all_days_together(
    database: Database, postgres_server: PostgresServer
) -> None:
    with psycopg.connect(database.processor_url) as connection:
        connection.execute(THREE_DAYS)
        together = sorted(days for (days,) in connection.execute(DAYS_TOGETHER))
        in_the_table_itself = connection.execute("SELECT count(*) FROM ONLY positions").fetchone()
    if postgres_server.binaries.timescaledb:
        assert (together, in_the_table_itself) == ([[1], [2], [3]], (0,))
    else:
        assert (together, in_the_table_itself) == ([[1, 2, 3]], (6,))


def test_without_the_preload_the_schema_makes_a_plain_table(
    postgres_binaries: PostgresBinaries,
) -> None:
    with launch_postgres(postgres_binaries, settings={"shared_preload_libraries": ""}) as server:
        database = create_database(server, "plain")
        with psycopg.connect(database.admin_url) as connection:
            assert connection.execute(EXTENSION).fetchone() is None
            connection.execute(THREE_DAYS)
            assert connection.execute(DAYS_TOGETHER).fetchall() == [([1, 2, 3],)]
