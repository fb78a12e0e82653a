"""The contract of a PositionStore, in memory and on a real PostgreSQL."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeAlias

import psycopg
import pytest

from processor.core import small_batches
from processor.core.schema import WRITTEN_COLUMNS
from processor.core.small_batches import ROWS_MAX
from processor.core.write_errors import Evidence
from processor.edges.postgres.store import PostgresStore
from processor.errors import PostgresError, SchemaMismatch
from processor.writing.device_states import NEWEST_POSITIONS
from telemetry._codec import DeviceStates
from tests.support.batches import NOON, batch_of, position, rows
from tests.support.fakes.rows import POSTGRES_EPOCH_US, Key, Row, read_copy_rows
from tests.support.fakes.store import FakeStore
from tests.support.fakes.table import FakeTable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from dev.servers import Database
    from processor.edges.ports import PositionStore
    from telemetry._codec import Batch, Keys


# Rows by key, with `attributes` as a value: jsonb keeps neither spaces nor the order of keys.
Rows: TypeAlias = dict[Key, tuple[object, ...]]


def comparable(found: Iterable[tuple[Key, Row]]) -> Rows:
    return {key: (*row[:-1], json.loads(row[-1].removeprefix(b"\x01"))) for key, row in found}


def rows_of(batch: Batch) -> Rows:
    return comparable(read_copy_rows(b"".join(batch.copy_chunks(64 * 1024))))


def unix_us(second: int) -> int:
    """`second` seconds after noon, as Unix time in µs."""
    return (int(NOON.timestamp()) + second) * 1_000_000


def keys_of(batch: Batch) -> Keys:
    """The keys of all rows: nothing is known of any device."""
    return DeviceStates(1).unproven(batch)


class StoreHarness(Protocol):
    """A store and the means to look behind it and to put obstacles in its way."""

    @property
    def store(self) -> PositionStore: ...
    def table(self) -> Rows: ...
    def refuse_device(self, device_id: str) -> None: ...
    def drop_table(self) -> None: ...
    def end_sessions(self) -> None: ...
    def mark_faulty(self, device_id: str, second: int) -> None: ...


class FakeStoreHarness:
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
        for failures in (
            self.store.failures,
            self.store.probe_failures,
            self.store.restore_failures,
        ):
            failures.append(self.store.error("the connection is lost", usable=False))

    def mark_faulty(self, device_id: str, second: int) -> None:
        self._table.faulty.add((device_id, unix_us(second) - POSTGRES_EPOCH_US))


class RealStoreHarness:
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

    def mark_faulty(self, device_id: str, second: int) -> None:
        self._execute(
            f"UPDATE positions SET faulty = true WHERE device_id = '{device_id}'"
            f" AND ts = timestamptz '2026-05-01 12:00Z' + interval '{second} s'"
        )

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._database.admin_url, autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture(params=["fake", "real"])
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[StoreHarness]:
    harness: StoreHarness = (
        FakeStoreHarness()
        if request.param == "fake"
        else RealStoreHarness(request.getfixturevalue("database"))
    )
    yield harness
    await harness.store.aclose()


async def test_a_write_commits_every_row_as_it_was_encoded(harness: StoreHarness, way: str) -> None:
    batch = rows(ROWS_MAX)
    assert (await getattr(harness.store, way)(batch)).inserted == ROWS_MAX
    assert harness.table() == rows_of(batch)


async def test_a_direct_copy_with_one_known_key_is_refused_whole(harness: StoreHarness) -> None:
    await harness.store.copy_direct(rows(1))
    with pytest.raises(PostgresError) as caught:
        await harness.store.copy_direct(rows(20))
    assert caught.value.sqlstate == "23505"
    assert caught.value.connection_usable
    assert harness.table() == rows_of(rows(1))


@pytest.mark.parametrize("rows_max", [0, ROWS_MAX])
async def test_an_insert_leaves_out_what_is_there_and_counts_what_is_new(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch, rows_max: int
) -> None:
    monkeypatch.setattr(small_batches, "ROWS_MAX", rows_max)
    await harness.store.insert_new(rows(15))
    assert (await harness.store.insert_new(rows(40))).inserted == 25
    assert (await harness.store.insert_new(rows(40))).inserted == 0
    assert harness.table() == rows_of(rows(40))


async def test_of_one_key_the_first_write_stays(harness: StoreHarness) -> None:
    first = batch_of([position(0, 0, speed=1)])
    await harness.store.insert_new(first)
    await harness.store.insert_new(batch_of([position(0, 0, speed=2)]))
    assert harness.table() == rows_of(first)


async def test_an_empty_batch_is_no_error(harness: StoreHarness, way: str) -> None:
    assert (await getattr(harness.store, way)(batch_of([]))).inserted == 0


async def test_a_refused_row_takes_its_batch_along_but_not_the_connection(
    harness: StoreHarness, way: str
) -> None:
    refused = position(3, 0)["device_id"]
    harness.refuse_device(refused)
    with pytest.raises(PostgresError) as caught:
        await getattr(harness.store, way)(rows(10))
    assert caught.value.sqlstate == "23514"
    assert caught.value.connection_usable
    assert harness.table() == {}
    assert (await getattr(harness.store, way)(rows(3))).inserted == 3


async def test_after_a_lost_connection_the_next_call_connects_again(
    harness: StoreHarness, way: str
) -> None:
    await harness.store.insert_new(rows(3))
    harness.end_sessions()
    with pytest.raises(PostgresError) as caught:
        await getattr(harness.store, way)(rows(3, first_second=60))
    assert not caught.value.connection_usable
    assert (await getattr(harness.store, way)(rows(3, first_second=60))).inserted == 3
    assert len(harness.table()) == 6


async def test_a_probe_finds_exactly_the_keys_that_are_in_the_table(harness: StoreHarness) -> None:
    batch = rows(60)
    await harness.store.copy_direct(rows(30, first_second=2))
    known = (await harness.store.probe(keys_of(batch))).known
    new, stored = batch.drop_known(keys_of(batch), known)
    assert rows_of(stored) == {
        key: row for key, row in harness.table().items() if key in rows_of(batch)
    }
    assert stored.rows == 30
    assert (await harness.store.copy_direct(new)).inserted == 30


async def test_a_probe_finds_keys_at_both_ends_of_their_span(harness: StoreHarness) -> None:
    batch = batch_of([position(0, 0), position(1, -86_400 * 40), position(2, 86_000)])
    await harness.store.copy_direct(batch)
    new, _ = batch.drop_known(keys_of(batch), (await harness.store.probe(keys_of(batch))).known)
    assert new.rows == 0


async def test_a_faulty_row_is_known_to_a_probe(harness: StoreHarness) -> None:
    batch = rows(1)
    await harness.store.copy_direct(batch)
    harness.mark_faulty(position(0, 0)["device_id"], 0)
    new, _ = batch.drop_known(keys_of(batch), (await harness.store.probe(keys_of(batch))).known)
    assert new.rows == 0


async def test_a_probe_for_no_keys_finds_none(harness: StoreHarness) -> None:
    await harness.store.copy_direct(rows(1))
    assert (await harness.store.probe(keys_of(batch_of([])))).known == b""


ENTRY_MS = int(NOON.timestamp() * 1_000)


async def test_a_row_that_is_refused_where_others_are_taken_is_to_blame(
    harness: StoreHarness,
) -> None:
    refused = position(3, 0)
    await harness.store.copy_direct(rows(3, first_second=-60))
    harness.refuse_device(refused["device_id"])
    evidence = await harness.store.gather_evidence(batch_of([refused]), entry_ms=ENTRY_MS)
    assert evidence is Evidence.RECORD
    assert harness.table() == rows_of(rows(3, first_second=-60))


async def test_a_row_that_is_taken_after_all_has_lost_its_cause(harness: StoreHarness) -> None:
    await harness.store.copy_direct(rows(3, first_second=-60))
    evidence = await harness.store.gather_evidence(batch_of([position(3, 0)]), entry_ms=ENTRY_MS)
    assert evidence is Evidence.CAUSE_GONE
    assert harness.table() == rows_of(rows(3, first_second=-60))


async def test_a_canary_leaves_nothing_behind_and_is_a_commit(harness: StoreHarness) -> None:
    probed = await harness.store.probe(keys_of(rows(1)))
    commit = await harness.store.try_canary()
    assert (commit.inserted, commit.session) == (0, probed.session)
    assert harness.table() == {}


@pytest.mark.parametrize("way", ["confirm", "try_canary"])
async def test_after_a_lost_connection_a_fence_is_on_another_session(
    harness: StoreHarness, way: str
) -> None:
    before = await getattr(harness.store, way)()
    harness.end_sessions()
    with pytest.raises(PostgresError):
        await harness.store.insert_new(rows(1))
    assert (await getattr(harness.store, way)()).session > before.session


async def newest(
    harness: StoreHarness, *devices: int, since_second: int | None = None
) -> dict[object, int]:
    """Seconds after noon of the newest position, by device."""
    since = None if since_second is None else NOON + timedelta(seconds=since_second)
    device_ids = [position(device, 0)["device_id"] for device in devices]
    found = await harness.store.restore(NEWEST_POSITIONS, device_ids, since)
    assert all(row[2:] == (41.3275, 19.8187) for row in found)
    return {
        int(str(device_id)) % 1_000: (int(str(ts_us)) - unix_us(0)) // 1_000_000
        for device_id, ts_us, *_ in found
    }


async def test_restoring_finds_the_newest_position_of_each_device_that_has_one(
    harness: StoreHarness,
) -> None:
    await harness.store.copy_direct(rows(30))
    assert await newest(harness, 3, 7, 999) == {3: 2, 7: 2}
    assert await newest(harness) == {}


async def test_restoring_sees_no_faulty_rows(harness: StoreHarness) -> None:
    await harness.store.copy_direct(batch_of([position(0, 0), position(0, 1), position(1, 0)]))
    harness.mark_faulty(position(0, 0)["device_id"], 1)
    harness.mark_faulty(position(1, 0)["device_id"], 0)
    assert await newest(harness, 0, 1) == {0: 0}


async def test_restoring_looks_no_further_back_than_its_bound(harness: StoreHarness) -> None:
    await harness.store.copy_direct(batch_of([position(0, 0), position(1, 10), position(2, 11)]))
    assert await newest(harness, 0, 1, 2, since_second=10) == {1: 10, 2: 11}


async def ask(harness: StoreHarness, question: str) -> object:
    if question == "probe":
        return (await harness.store.probe(keys_of(rows(1)))).known
    return await newest(harness, 0)


@pytest.mark.parametrize("question", ["probe", "restore"])
async def test_after_a_lost_connection_the_next_query_connects_again(
    harness: StoreHarness, question: str
) -> None:
    before = await ask(harness, question)
    harness.end_sessions()
    with pytest.raises(PostgresError) as caught:
        await ask(harness, question)
    assert not caught.value.connection_usable
    assert await ask(harness, question) == before


async def test_connecting_twice_and_closing_twice_is_harmless(harness: StoreHarness) -> None:
    await harness.store.connect()
    await harness.store.connect()
    await harness.store.aclose()
    await harness.store.aclose()
    assert (await harness.store.copy_direct(rows(1))).inserted == 1


async def test_the_schema_fixture_passes_the_check_without_a_warning(harness: StoreHarness) -> None:
    assert await harness.store.check_schema() == ()


async def test_a_missing_table_is_one_difference(harness: StoreHarness) -> None:
    harness.drop_table()
    with pytest.raises(SchemaMismatch) as caught:
        await harness.store.check_schema()
    [difference] = caught.value.differences
    assert "positions is missing" in difference
