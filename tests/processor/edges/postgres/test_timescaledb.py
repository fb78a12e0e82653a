"""The versions of TimescaleDB that lose rows are recognised by a role that owns nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from processor.edges.postgres.store import PostgresStore
from processor.errors import SchemaMismatch
from tests.support.timescaledb import WITHOUT_LIBRARY, pretend_timescaledb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dev.servers import Database, PostgresServer


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(database.processor_url, instance_id="processor-1")
    yield store
    await store.aclose()


async def test_a_version_that_drops_rows_is_reported_where_the_table_is_compressed(
    store: PostgresStore, database: Database, postgres_server: PostgresServer
) -> None:
    pretend_timescaledb(postgres_server, database, "2.17.2", compressed=True)
    with pytest.raises(SchemaMismatch) as caught:
        await store.check_schema()
    [difference] = caught.value.differences
    assert difference.startswith("TimescaleDB 2.17.2 drops new rows")


@pytest.mark.parametrize(("version", "compressed"), [("2.17.2", False), ("2.18.1", True)])
async def test_such_a_version_without_compression_and_a_corrected_one_pass(
    store: PostgresStore,
    database: Database,
    postgres_server: PostgresServer,
    version: str,
    compressed: bool,
) -> None:
    pretend_timescaledb(postgres_server, database, version, compressed=compressed)
    assert await store.check_schema() == ()


async def test_a_newer_version_is_not_asked_what_its_catalogue_may_have_changed(
    store: PostgresStore, database: Database, postgres_server: PostgresServer
) -> None:
    pretend_timescaledb(postgres_server, database, "3.0.0", compressed=True)
    with psycopg.connect(database.admin_url, options=WITHOUT_LIBRARY) as owner:
        owner.execute("ALTER SCHEMA timescaledb_information RENAME TO renamed")
    assert await store.check_schema() == ()
