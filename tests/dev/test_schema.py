"""The schema fixture is what the contract says, and gives the processor no more than it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors

from dev.schema import apply_schema

if TYPE_CHECKING:
    from dev.servers import Database, PostgresServer

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
