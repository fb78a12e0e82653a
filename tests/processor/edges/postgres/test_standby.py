"""A primary whose standby is frozen: rows that wait in COMMIT are visible to nobody, whatever their session does."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import trio

from dev.schema import create_database, drop_database
from dev.servers import launch_postgres, launch_standby, require_standby
from processor.core import small_batches
from processor.edges.postgres.limits import StoreLimits
from processor.edges.postgres.store import PostgresStore
from processor.errors import PostgresError
from processor.watching.postgres_probe import PostgresProbe
from telemetry._codec import DeviceStates
from tests.support.batches import rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from dev.servers import Database, PostgresBinaries, PostgresServer

pytestmark = pytest.mark.deployment

IMPATIENT = StoreLimits(write_timeout_ms=300, cancel_grace_ms=200)
# All of the service's sessions that wait for the standby.
WAITING = "SELECT pid FROM pg_stat_activity WHERE usename = 'processor' AND wait_event = 'SyncRep'"


@pytest.fixture(scope="module")
def primary(postgres_binaries: PostgresBinaries) -> Iterator[PostgresServer]:
    """A primary whose commits wait for its standby."""
    with launch_postgres(postgres_binaries) as primary:
        yield primary
        # Sessions that still wait would hold up an orderly end.
        primary.process.kill()


@pytest.fixture(scope="module")
def following(primary: PostgresServer) -> Iterator[PostgresServer]:
    with launch_standby(primary) as standby:
        require_standby(primary)
        yield standby


@pytest.fixture
def standby(following: PostgresServer) -> Iterator[PostgresServer]:
    """A standby that a test may freeze."""
    yield following
    following.process.thaw()


@pytest.fixture
def database(primary: PostgresServer, standby: PostgresServer) -> Iterator[Database]:
    name = "telemetry"
    yield create_database(primary, name)
    standby.process.thaw()
    drop_database(primary, name)


@pytest.fixture
async def probe(database: Database) -> AsyncIterator[PostgresProbe]:
    probe = PostgresProbe(PostgresStore(database.processor_url, instance_id="processor-1"))
    yield probe
    await probe.aclose()


@pytest.fixture
async def store(database: Database, probe: PostgresProbe) -> AsyncIterator[PostgresStore]:
    """A store that gives a write 300 ms, and has an observer; its staging table is there."""
    store = PostgresStore(
        database.processor_url, instance_id="processor-1", limits=IMPATIENT, observer=probe
    )
    await store.insert_new(rows(1, first_second=-1_000))
    yield store
    await store.aclose()


@pytest.fixture
async def lonely(database: Database) -> AsyncIterator[PostgresStore]:
    """A store that does not know what the server waits for."""
    store = PostgresStore(database.processor_url, instance_id="processor-1", limits=IMPATIENT)
    await store.insert_new(rows(1, first_second=-1_000))
    yield store
    await store.aclose()


def ask(owner: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    return owner.execute(query.encode()).fetchall()


def count(owner: psycopg.Connection[Any]) -> int:
    [(number,)] = ask(owner, "SELECT count(*) FROM positions WHERE ts > '2026-05-01 11:59Z'")
    return int(number)


async def until(holds: Callable[[], object]) -> None:
    with trio.fail_after(20):
        while not holds():
            await trio.lowlevel.checkpoint()


async def refused(write: Awaitable[object]) -> PostgresError:
    with pytest.raises(PostgresError) as caught:
        await write
    return caught.value


@asynccontextmanager
async def failing_write(
    store: PostgresStore, owner: psycopg.Connection[Any]
) -> AsyncIterator[list[PostgresError]]:
    """A write that waits for the standby when the block begins, and has failed when it is over, as the list says."""
    errors: list[PostgresError] = []

    async def write() -> None:
        errors.append(await refused(store.copy_direct(rows(10))))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        await until(lambda: ask(owner, WAITING))
        yield errors


async def test_a_write_that_waits_for_a_standby_is_waited_for_beyond_its_deadline(
    store: PostgresStore, standby: PostgresServer, owner: psycopg.Connection[Any], way: str
) -> None:
    standby.process.freeze()
    commits = []

    async def write() -> None:
        commits.append(await getattr(store, way)(rows(10)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        await until(lambda: ask(owner, WAITING))
        began = trio.current_time()
        [waiting] = ask(owner, WAITING)
        # Three deadlines, and the times at which it is asked again.
        with trio.move_on_at(began + 3):
            await until(lambda: ask(owner, WAITING) != [waiting])
        assert ask(owner, WAITING) == [waiting]
        assert count(owner) == 0
        assert not commits
        standby.process.thaw()
    [commit] = commits
    assert commit.inserted == count(owner) == 10


async def test_a_write_whose_deadline_nobody_extends_shows_no_row_before_the_standby_has_it(
    lonely: PostgresStore, standby: PostgresServer, owner: psycopg.Connection[Any], way: str
) -> None:
    standby.process.freeze()
    error = await refused(getattr(lonely, way)(rows(10)))
    assert "no answer within 300 ms" in str(error)
    assert not error.connection_usable
    assert count(owner) == 0
    assert ask(owner, WAITING), "the server goes on waiting"
    standby.process.thaw()
    await until(lambda: count(owner) == 10)


async def test_a_stop_in_the_middle_of_a_commit_shows_no_row_before_the_standby_has_it(
    store: PostgresStore, standby: PostgresServer, owner: psycopg.Connection[Any], way: str
) -> None:
    standby.process.freeze()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(getattr(store, way), rows(10))
        await until(lambda: ask(owner, WAITING))
        began = trio.current_time()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - began < 0.2, "at once"
    assert count(owner) == 0
    assert ask(owner, WAITING)
    standby.process.thaw()
    await until(lambda: count(owner) == 10)


async def test_a_message_waits_for_the_standby_as_a_write_does(
    store: PostgresStore, standby: PostgresServer, owner: psycopg.Connection[Any]
) -> None:
    standby.process.freeze()
    with trio.move_on_after(1) as scope:
        await store.confirm()
    assert scope.cancelled_caught
    assert ask(owner, WAITING)
    standby.process.thaw()
    await store.confirm()


@pytest.mark.parametrize("rows_max", [0, small_batches.ROWS_MAX])
async def test_a_write_of_nothing_new_is_a_fence(
    store: PostgresStore, standby: PostgresServer, monkeypatch: pytest.MonkeyPatch, rows_max: int
) -> None:
    monkeypatch.setattr(small_batches, "ROWS_MAX", rows_max)
    await store.insert_new(rows(10))
    standby.process.freeze()
    with trio.move_on_after(1) as scope:
        await store.insert_new(rows(10))
    assert scope.cancelled_caught
    standby.process.thaw()
    assert (await store.insert_new(rows(10))).inserted == 0


@pytest.mark.parametrize("end", ["cancel", "terminate"])
async def test_a_wait_that_somebody_ends_is_no_receipt(
    store: PostgresStore, standby: PostgresServer, owner: psycopg.Connection[Any], end: str
) -> None:
    standby.process.freeze()
    async with failing_write(store, owner) as errors:
        [(pid,)] = ask(owner, WAITING)
        ask(owner, f"SELECT pg_{end}_backend({pid})")
    [error] = errors
    assert error.awaits_standby
    assert not error.connection_usable
    # This is why: the rows are visible, and the standby has none of them.
    assert count(owner) == 10
    assert len((await store.probe(DeviceStates(1).unproven(rows(10)))).known) == 4 * 10
    # And this is the fence, which is not passed.
    with trio.move_on_after(1) as scope:
        await store.confirm()
    assert scope.cancelled_caught


async def test_a_commit_that_waits_for_a_lock_is_left_and_not_cancelled(
    store: PostgresStore, owner: psycopg.Connection[Any], database: Database
) -> None:
    with psycopg.connect(database.admin_url) as migrating:
        migrating.execute("LOCK TABLE positions IN ACCESS EXCLUSIVE MODE")
        error = await refused(store.insert_new(rows(10)))
        assert not error.awaits_standby
        assert not error.connection_usable
        locked = "SELECT state FROM pg_stat_activity WHERE wait_event = 'relation'"
        assert ask(owner, locked) == [("active",)], "it is not cancelled"
    await until(lambda: count(owner) == 10)
    assert (await store.insert_new(rows(10))).inserted == 0


async def test_a_server_that_dies_while_its_standby_is_awaited_is_reported_as_lost(
    store: PostgresStore,
    standby: PostgresServer,
    owner: psycopg.Connection[Any],
    primary: PostgresServer,
) -> None:
    standby.process.freeze()
    async with failing_write(store, owner) as errors:
        await trio.sleep(1)
        primary.process.kill()
    primary.process.start()
    [error] = errors
    assert error.awaits_standby
    assert error.sqlstate is None
