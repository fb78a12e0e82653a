"""Whose fault a refusal is, as the canary finds out on a real server: for each kind of trouble what is due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from processor.core.evidence import Evidence
from processor.edges.postgres.store import PostgresStore
from processor.errors import PostgresError
from tests.edges.batches import NOON, batch_of, position

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from dev.servers import Database

Owner = psycopg.Connection[Any]

DEVICES = 20
ACCUSED, NEWEST = 7, DEVICES - 1
# Each device has rows in each of the last hours; the last device has the newest one.
FILL = f"""
    INSERT INTO positions (device_id, ts, latitude, longitude, altitude, angle, speed, satellites,
                           priority, codec, attributes)
    SELECT (356307042441000 + device)::text, timestamptz '2026-05-01 12:00Z'
           - hour * interval '1 hour' + device * interval '1 s',
           41 + device * 0.01, 19 + hour * 0.01, device, hour, device, 9, 0, '8E', '{{"239": 1}}'
    FROM generate_series(0, {DEVICES - 1}) device, generate_series(1, 24) hour
"""


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(database.processor_url, instance_id="processor-1")
    yield store
    await store.aclose()


@pytest.fixture
def owner(database: Database) -> Iterator[Owner]:
    """A session of the owner of the schema; every statement is committed by itself."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        yield connection


def device(number: int) -> str:
    found: str = position(number, 0)["device_id"]
    return found


async def examine(store: PostgresStore, second: int = 0, **changes: Any) -> Evidence:
    """The evidence about a row of the accused device, `second` seconds after its entry at noon."""
    accused = batch_of([position(ACCUSED, second, **changes)])
    return await store.cross_examine(accused, entry_ms=int(NOON.timestamp() * 1_000))


async def test_a_row_that_breaks_a_check_is_to_blame(store: PostgresStore, owner: Owner) -> None:
    owner.execute(FILL.encode())
    owner.execute("ALTER TABLE positions ADD CHECK (speed < 100)")
    assert await examine(store, speed=150) is Evidence.RECORD
    assert await examine(store, speed=50) is Evidence.CAUSE_GONE


async def test_a_canary_that_is_refused_is_an_error_with_the_sqlstate_of_the_refusal(
    store: PostgresStore, owner: Owner
) -> None:
    owner.execute(FILL.encode())
    await store.try_canary()
    owner.execute("ALTER TABLE positions ADD CHECK (speed < 0) NOT VALID")
    with pytest.raises(PostgresError) as caught:
        await store.try_canary()
    assert caught.value.sqlstate == "23514"
    assert caught.value.connection_usable
