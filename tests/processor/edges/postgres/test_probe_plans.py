"""The plan of a probe on a real PostgreSQL: by the index, in the chunks of the keys' days, whatever the statistics."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from bench.servers import MAKE_PLAIN
from processor.edges.postgres.probing import probe_of
from processor.edges.postgres.store import PostgresStore
from telemetry._codec import Batch, DeviceStates
from tests.support.batches import NOON, batch_of, position
from tests.support.query_plans import plan_of, scans_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from datetime import datetime

    from dev.servers import Database

DAYS = 4
DEVICES = 100
SECONDS = 50
# As many seconds of every day, from noon on; in each of them all devices have a row.
FILL = """
    INSERT INTO positions (device_id, ts, latitude, longitude, altitude, angle, speed, satellites,
                           priority, codec, attributes)
    SELECT (356307042441000 + device)::text, timestamptz '2026-05-01 12:00Z'
           - day * interval '1 day' + second * interval '1 s', 41, 19, 0, 0, 0, 0, 0, '8', '{{}}'
    FROM generate_series(0, {devices} - 1) device, generate_series(0, {days} - 1) day,
         generate_series(0, {seconds} - 1) second
    ON CONFLICT DO NOTHING
"""
# With the indexes that the contract names.
MAKE_PARTITIONED = """
    ALTER TABLE positions RENAME TO whole;
    CREATE TABLE positions (LIKE whole INCLUDING DEFAULTS) PARTITION BY RANGE (ts);
    DROP TABLE whole;
    CREATE UNIQUE INDEX positions_device_ts ON positions (device_id, ts);
    CREATE INDEX positions_ts ON positions (ts DESC);
    CREATE INDEX positions_faulty_idx ON positions (device_id, ts DESC) WHERE NOT faulty;
    GRANT SELECT, INSERT, UPDATE ON positions TO processor;
    DO $$
    DECLARE day timestamptz;
    BEGIN
        FOR day IN SELECT timestamptz '2026-05-01 0:00Z' - n * interval '1 day' FROM generate_series(0, 9) n LOOP
            EXECUTE format('CREATE TABLE positions_%s PARTITION OF positions FOR VALUES FROM (%L) TO (%L)',
                           to_char(day, 'YYYYMMDD'), day, day + interval '1 day');
        END LOOP;
    END
    $$
"""
# What the schema makes is a hypertable where the server has TimescaleDB.
KINDS = {"as the schema makes it": "", "plain": MAKE_PLAIN, "partitioned": MAKE_PARTITIONED}
# What was in the table when it was analysed last.
STATISTICS = {
    "never taken": None,
    "of an empty table": "",
    "of one second": FILL.format(devices=DEVICES, days=1, seconds=1),
    "of one device": FILL.format(devices=1, days=1, seconds=SECONDS),
    "of all rows": FILL.format(devices=DEVICES, days=DAYS, seconds=SECONDS),
}


@pytest.fixture(params=KINDS, autouse=True)
def owner(database: Database, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection[Any]]:
    """A session of the owner of a table of each kind; every statement is committed by itself."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        connection.execute(KINDS[request.param].encode())
        yield connection


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(database.processor_url, instance_id="processor-1")
    yield store
    await store.aclose()


def fill(owner: psycopg.Connection[Any], statistics: str) -> None:
    """Have the table hold all rows, and statistics of what was in it before."""
    if (before := STATISTICS[statistics]) is not None:
        owner.execute(before.encode())
        owner.execute("ANALYZE positions")
    owner.execute(FILL.format(devices=DEVICES, days=DAYS, seconds=SECONDS).encode())


async def probe_plan(
    store: PostgresStore, *days: Sequence[datetime], devices: int = DEVICES
) -> list[dict[str, Any]]:
    """The plan of a probe for the times of each day, of all devices."""
    parameters: list[object] = []
    for times in days:
        device_ids = [position(device, 0)["device_id"] for device in range(devices) for _ in times]
        parameters += [0, device_ids, list(times) * devices, min(times), max(times)]
    return await plan_of(store, probe_of(len(days)), parameters)


def times_of(day: int, seconds: int = SECONDS) -> list[datetime]:
    return [NOON - timedelta(days=day, seconds=-second) for second in range(seconds)]


@pytest.mark.parametrize("statistics", STATISTICS)
async def test_each_key_is_looked_up_in_the_index_of_both_its_columns_whatever_the_statistics_say(
    store: PostgresStore, owner: psycopg.Connection[Any], statistics: str
) -> None:
    fill(owner, statistics)
    plan = await probe_plan(store, times_of(0))
    assert {node["Node Type"] for node in plan} & {"Hash Join", "Merge Join"} == set()
    [scan] = scans_of(plan)
    assert scan["Node Type"] in ("Index Scan", "Index Only Scan")
    assert "(device_id = key.device_id)" in scan["Index Cond"]
    assert "key.ts)" in scan["Index Cond"]


async def test_keys_of_days_apart_are_each_looked_for_in_one_chunk_and_none_between(
    store: PostgresStore, owner: psycopg.Connection[Any]
) -> None:
    fill(owner, "of all rows")
    plan = await probe_plan(store, times_of(0), times_of(DAYS - 1))
    assert len(scans_of(plan)) == 2
    # To judge chunks again for each key takes longer than to look the key up.
    assert not any(node.get("Runtime Exclusion") for node in plan)


async def test_no_number_of_keys_looks_costly_enough_to_be_compiled(
    store: PostgresStore, owner: psycopg.Connection[Any]
) -> None:
    fill(owner, "of all rows")
    one, many = [
        (await probe_plan(store, times_of(0, seconds), devices=devices))[0]["Total Cost"]
        for devices, seconds in ((1, 1), (DEVICES, SECONDS))
    ]
    assert many == one


async def test_a_probe_of_many_days_finds_what_is_in_the_table_and_nothing_else(
    store: PostgresStore,
) -> None:
    positions = [
        position(device, second - day * 86_400)
        for device in range(7)
        for day in range(DAYS)
        for second in range(3)
    ]
    # Every third, and every fifth: with gaps in each day.
    stored = {n for n in range(len(positions)) if n % 3 == 0 or n % 5 == 0}
    await store.copy_direct(batch_of(positions[n] for n in stored))
    whole = batch_of(positions)
    keys = DeviceStates(1).unproven(whole)
    rest, known = whole.drop_known(keys, (await store.probe(keys)).known)
    assert keys.days == DAYS
    assert {int(each.split("-")[0]) - 1 for each in known.entry_ids} == stored
    assert Batch.merge([rest, known]).rows == len(positions)
    assert (await store.copy_direct(rest)).inserted == len(positions) - len(stored)
