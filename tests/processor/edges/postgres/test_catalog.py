"""The schema check on a real PostgreSQL: differences, warnings, and what makes no difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import psycopg
import pytest

from processor.edges.postgres.store import PostgresStore
from processor.errors import PostgresError, SchemaMismatch
from telemetry._codec import DeviceStates
from tests.support.batches import rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from dev.servers import Database

Execute: TypeAlias = "Callable[[str], list[tuple[object, ...]]]"


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(database.processor_url, instance_id="processor-1")
    yield store
    await store.aclose()


@pytest.fixture
def execute(database: Database) -> Iterator[Execute]:
    """Runs a statement as the owner of the schema; the rows it gives."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:

        def run(statement: str) -> list[tuple[object, ...]]:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

        yield run


async def test_a_missing_privilege_is_reported_at_the_check_and_at_the_write(
    store: PostgresStore, execute: Execute
) -> None:
    execute("REVOKE INSERT ON positions FROM processor")
    with pytest.raises(SchemaMismatch) as mismatch:
        await store.check_schema()
    assert mismatch.value.differences == ("privilege INSERT on table public.positions is missing",)
    with pytest.raises(PostgresError) as caught:
        await store.copy_direct(rows(1))
    assert caught.value.sqlstate == "42501"


@pytest.mark.parametrize(
    ("change", "differences"),
    [
        ("DROP TABLE positions", ["table public.positions is missing"]),
        ("ALTER TABLE positions DROP COLUMN codec", ["column codec (text) is missing"]),
        ("ALTER TABLE positions ALTER speed TYPE float8", ["column speed is double precision"]),
        ("ALTER TABLE positions ALTER faulty SET DEFAULT true", ["column faulty has default true"]),
        ("ALTER TABLE positions ALTER angle DROP NOT NULL", ["column angle allows NULL"]),
        ("ALTER TABLE positions ADD tenant int NOT NULL", ["column tenant is not ours"]),
        ("DROP INDEX positions_device_ts", ["no unique index on exactly (device_id, ts)"]),
        ("REVOKE USAGE ON SCHEMA public FROM processor", ["privilege USAGE on schema public"]),
        (
            (
                "DO $$BEGIN EXECUTE 'REVOKE TEMPORARY ON DATABASE ' || current_database()"
                " || ' FROM processor'; END$$"
            ),
            ["privilege TEMPORARY on the database"],
        ),
        (
            "ALTER TABLE positions ENABLE ROW LEVEL SECURITY",
            ["row level security of public.positions applies to this role"],
        ),
        (
            (
                "ALTER TABLE positions ENABLE ROW LEVEL SECURITY;"
                "CREATE POLICY all_of_it ON positions USING (true) WITH CHECK (true)"
            ),
            ["row level security of public.positions applies to this role"],
        ),
        (
            (
                "ALTER TABLE positions DROP COLUMN codec;"
                "ALTER TABLE positions ADD codec text NOT NULL GENERATED ALWAYS AS ('8') STORED"
            ),
            ["the server would refuse the write"],
        ),
    ],
)
async def test_the_check_finds_what_the_table_lacks(
    store: PostgresStore,
    execute: Execute,
    change: str,
    differences: list[str],
) -> None:
    execute(change)
    with pytest.raises(SchemaMismatch) as caught:
        await store.check_schema()
    found = caught.value.differences
    assert len(found) == len(differences)
    assert all(line.startswith(begin) for line, begin in zip(found, differences, strict=True))


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE positions ADD note text, ADD tenant int NOT NULL DEFAULT 1",
        "ALTER TABLE positions ADD number bigint GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE positions ADD CHECK (speed >= 0)",
        "CREATE INDEX ON positions (codec, lower(device_id))",
        "ALTER TABLE positions ADD PRIMARY KEY (device_id, ts)",
        "DROP INDEX positions_device_ts; ALTER TABLE positions ADD PRIMARY KEY (ts, device_id)",
    ],
)
async def test_what_the_contract_allows_is_no_difference(
    store: PostgresStore, execute: Execute, change: str
) -> None:
    execute(change)
    assert await store.check_schema() == ()
    assert (await store.insert_new(rows(10))).inserted == 10


async def test_row_security_that_a_role_bypasses_is_no_difference(
    store: PostgresStore, execute: Execute
) -> None:
    execute("ALTER TABLE positions ENABLE ROW LEVEL SECURITY")
    execute("ALTER ROLE processor BYPASSRLS")
    try:
        assert await store.check_schema() == ()
        assert (await store.copy_direct(rows(10))).inserted == 10
    finally:
        execute("ALTER ROLE processor NOBYPASSRLS")


async def test_row_security_that_is_enabled_while_we_run_is_an_error_and_hides_no_row(
    store: PostgresStore, execute: Execute
) -> None:
    await store.copy_direct(rows(10))
    execute("ALTER TABLE positions ENABLE ROW LEVEL SECURITY")
    for ask in (
        lambda: store.copy_direct(rows(20, first_second=60)),
        lambda: store.insert_new(rows(20)),
        lambda: store.probe(DeviceStates(1).unproven(rows(10))),
    ):
        with pytest.raises(PostgresError) as caught:
            await ask()
        # What has the schema checked, which says why.
        assert caught.value.sqlstate == "42501"
        assert caught.value.connection_usable


async def test_a_missing_index_of_the_readers_is_a_warning(
    store: PostgresStore, execute: Execute
) -> None:
    execute("DROP INDEX positions_ts, positions_faulty_idx")
    warnings = await store.check_schema()
    assert [line.split()[1] for line in warnings] == ["positions_ts", "positions_faulty_idx"]
