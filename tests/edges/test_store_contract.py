"""What every PositionStore keeps, the one in memory and the one on a real PostgreSQL alike."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol, TypeAlias

import psycopg
import pytest

from processor.core.schema import WRITTEN_COLUMNS
from processor.edges.fakes.store import FakeStore, FakeTable, Key, Row, read_copy_rows
from processor.edges.postgres.store import PostgresStore
from processor.errors import PostgresError, SchemaMismatch
from tests.edges.batches import batch_of, position, rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from dev.servers import Database
    from processor._codec import Batch
    from processor.edges.ports import PositionStore


# Rows by key, with `attributes` as a value: jsonb keeps neither spaces nor the order of keys.
Rows: TypeAlias = dict[Key, tuple[object, ...]]


def comparable(found: Iterable[tuple[Key, Row]]) -> Rows:
    return {key: (*row[:-1], json.loads(row[-1].removeprefix(b"\x01"))) for key, row in found}


def rows_of(batch: Batch) -> Rows:
    return comparable(read_copy_rows(b"".join(batch.copy_chunks(64 * 1024))))


class World(Protocol):
    """A store and the means to look behind it and to put obstacles in its way."""

    @property
    def store(self) -> PositionStore: ...
    def table(self) -> Rows: ...
    def refuse_device(self, device_id: str) -> None: ...
    def drop_table(self) -> None: ...
    def end_sessions(self) -> None: ...


class FakeWorld:
    def __init__(self) -> None:
        self._table = FakeTable()
        self.store = FakeStore(self._table)

    def table(self) -> Rows:
        return comparable(self._table.rows.items())

    def refuse_device(self, device_id: str) -> None:
        self._table.refused_devices[device_id] = "23514"

    def drop_table(self) -> None:
        self._table.differences = ("table public.positions is missing, with the columns ...",)

    def end_sessions(self) -> None:
        self.store.failures.append(self.store.error("the connection is lost", usable=False))


class RealWorld:
    def __init__(self, database: Database) -> None:
        self._database = database
        self.store = PostgresStore(database.processor_url, instance_id="processor-1")

    def table(self) -> Rows:
        columns = ", ".join(column.name for column in WRITTEN_COLUMNS)
        with (
            psycopg.connect(self._database.admin_url) as connection,
            connection.cursor().copy(
                f"COPY (SELECT {columns} FROM positions) TO STDOUT (FORMAT binary)".encode()
            ) as copy,
        ):
            return comparable(read_copy_rows(b"".join(map(bytes, copy))))

    def refuse_device(self, device_id: str) -> None:
        self._execute(f"ALTER TABLE positions ADD CHECK (device_id <> '{device_id}')")

    def drop_table(self) -> None:
        self._execute("DROP TABLE positions")

    def end_sessions(self) -> None:
        self._execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._database.admin_url, autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture(params=["fake", "real"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world: World = (
        FakeWorld() if request.param == "fake" else RealWorld(request.getfixturevalue("database"))
    )
    yield world
    await world.store.aclose()


async def test_a_direct_copy_commits_every_row_as_it_was_encoded(world: World) -> None:
    batch = rows(1_000)
    assert await world.store.copy_direct(batch) == 1_000
    assert world.table() == rows_of(batch)


async def test_a_direct_copy_with_one_known_key_is_refused_whole(world: World) -> None:
    await world.store.copy_direct(rows(1))
    with pytest.raises(PostgresError) as caught:
        await world.store.copy_direct(rows(20))
    assert caught.value.sqlstate == "23505"
    assert caught.value.connection_usable
    assert world.table() == rows_of(rows(1))


async def test_a_staged_copy_inserts_what_is_new_and_counts_it(world: World) -> None:
    await world.store.copy_staged(rows(15))
    assert await world.store.copy_staged(rows(40)) == 25
    assert await world.store.copy_staged(rows(40)) == 0
    assert world.table() == rows_of(rows(40))


async def test_of_one_key_the_first_write_stays(world: World) -> None:
    first = batch_of([position(0, 0, speed=1)])
    await world.store.copy_staged(first)
    await world.store.copy_staged(batch_of([position(0, 0, speed=2)]))
    assert world.table() == rows_of(first)


@pytest.mark.parametrize("way", ["copy_direct", "copy_staged"])
async def test_an_empty_batch_is_no_error(world: World, way: str) -> None:
    assert await getattr(world.store, way)(batch_of([])) == 0


@pytest.mark.parametrize("way", ["copy_direct", "copy_staged"])
async def test_a_refused_row_takes_its_batch_along_but_not_the_connection(
    world: World, way: str
) -> None:
    refused = position(3, 0)["device_id"]
    world.refuse_device(refused)
    with pytest.raises(PostgresError) as caught:
        await getattr(world.store, way)(rows(10))
    assert caught.value.sqlstate == "23514"
    assert caught.value.connection_usable
    assert world.table() == {}
    assert await getattr(world.store, way)(rows(3)) == 3


@pytest.mark.parametrize("way", ["copy_direct", "copy_staged"])
async def test_after_a_lost_connection_the_next_call_connects_anew(world: World, way: str) -> None:
    await world.store.copy_staged(rows(3))
    world.end_sessions()
    with pytest.raises(PostgresError) as caught:
        await getattr(world.store, way)(rows(3, first_second=60))
    assert not caught.value.connection_usable
    assert await getattr(world.store, way)(rows(3, first_second=60)) == 3
    assert len(world.table()) == 6


async def test_connecting_twice_and_closing_twice_is_harmless(world: World) -> None:
    await world.store.connect()
    await world.store.connect()
    await world.store.aclose()
    await world.store.aclose()
    assert await world.store.copy_direct(rows(1)) == 1


async def test_the_schema_fixture_passes_the_check_without_a_warning(world: World) -> None:
    assert await world.store.check_schema() == ()


async def test_a_missing_table_is_one_difference(world: World) -> None:
    world.drop_table()
    with pytest.raises(SchemaMismatch) as caught:
        await world.store.check_schema()
    [difference] = caught.value.differences
    assert "positions is missing" in difference
