"""What TimescaleDB has set for the table: on the real extension where the run's server has it, else on stand-ins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from processor.core.table_diff import differences
from processor.edges.postgres.connection import TrioConnection
from processor.edges.postgres.table_form import read_table_form
from tests.support.chunks import ENABLE_COMPRESSION
from tests.support.timescaledb import pretend_hypertable

if TYPE_CHECKING:
    import psycopg

    from dev.servers import Database, PostgresServer
    from processor.core.table_diff import TableForm

DIMENSION: Final = "hypertable dimension ts"
RETENTION: Final = "hypertable policy policy_retention"
# Each setting by a statement of the extension, and as the stand-ins' views show it.
CHUNKS: Final = (
    "SELECT set_chunk_time_interval('positions', INTERVAL '7 days')",
    "UPDATE timescaledb_information.dimensions SET time_interval = '7 days'",
)
COMPRESSION: Final = (
    ENABLE_COMPRESSION,
    """
    UPDATE timescaledb_information.hypertables SET compression_enabled = true;
    INSERT INTO timescaledb_information.compression_settings VALUES
        ('public', 'positions', 'device_id', 1, NULL, NULL, NULL),
        ('public', 'positions', 'ts', NULL, 1, true, false)
    """,
)
POLICY: Final = (
    "SELECT add_retention_policy('positions', INTERVAL '90 days')",
    """
    INSERT INTO timescaledb_information.jobs VALUES
        (1000, '1 day', 'policy_retention', true, '{"hypertable_id": 1, "drop_after": "90 days"}',
         'public', 'positions')
    """,
)


@pytest.fixture
def statement_of(postgres_server: PostgresServer) -> int:
    """Which of the two statements this server takes."""
    return 0 if postgres_server.binaries.timescaledb else 1


@pytest.fixture
def hypertable(postgres_server: PostgresServer, database: Database) -> Database:
    """A database whose table is a hypertable with chunks of a day, as far as the catalogue says."""
    pretend_hypertable(postgres_server, database)
    return database


async def form_of(database: Database) -> TableForm:
    async with await TrioConnection.connect(database.processor_url) as connection:
        await connection.execute("BEGIN")
        return await read_table_form(connection)


async def test_chunks_and_dimensions_are_shown_to_any_role(hypertable: Database) -> None:
    parts = (await form_of(hypertable)).parts
    assert parts["hypertable"] == "without compression"
    assert parts[DIMENSION].startswith("number 1, chunks of 1 day")
    assert len([name for name in parts if name.startswith("hypertable")]) == 2


@pytest.mark.parametrize(
    ("statements", "objects"),
    [
        (CHUNKS, {DIMENSION: ("number 1, chunks of 1 day", "number 1, chunks of 7 days")}),
        (
            COMPRESSION,
            {
                "hypertable": ("without compression", "with compression"),
                "hypertable compression of column device_id": (None, "segment by, place 1"),
                "hypertable compression of column ts": (
                    None,
                    "order by, place 1 ASC NULLS LAST",
                ),
            },
        ),
        (POLICY, {RETENTION: (None, 'every 1 day, {"drop_after": "90 days"}')}),
    ],
    ids=["chunks", "compression", "policy"],
)
async def test_a_setting_that_differs_is_found_and_nothing_else(
    hypertable: Database,
    owner: psycopg.Connection[Any],
    statement_of: int,
    statements: tuple[str, str],
    objects: dict[str, tuple[str | None, str | None]],
) -> None:
    before = await form_of(hypertable)
    owner.execute(statements[statement_of].encode())
    found = differences(before, await form_of(hypertable))
    assert {each.object: (each.a, each.b) for each in found} == objects


async def test_a_number_of_one_database_alone_makes_no_difference(
    hypertable: Database, owner: psycopg.Connection[Any], statement_of: int
) -> None:
    owner.execute(POLICY[statement_of].encode())
    assert "hypertable_id" not in (await form_of(hypertable)).parts[RETENTION]


async def test_a_column_that_a_version_does_not_have_is_no_error(
    hypertable: Database, owner: psycopg.Connection[Any], postgres_server: PostgresServer
) -> None:
    if postgres_server.binaries.timescaledb is None:
        owner.execute("ALTER TABLE timescaledb_information.dimensions DROP integer_now_func")
        owner.execute("ALTER TABLE timescaledb_information.hypertables DROP tablespaces")
    assert (await form_of(hypertable)).parts[DIMENSION].startswith("number 1, chunks of 1 day")
