from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import psycopg
import pytest

from bench.ages import AGES, of_devices
from bench.asyncio_service import as_record, write_rows
from bench.entries import USUAL_FLEET, first_of_each_key, fleet_entries
from bench.peer_position import Refused, Row, decode, window
from bench.service import ASYNCIO, COPY, Filling, processor_name, run_service
from dev.servers import Choice

if TYPE_CHECKING:
    from dev.servers import Database

NOW = datetime(2026, 5, 2, tzinfo=UTC)


def row(minute: int) -> Row:
    ts = datetime(2026, 5, 1, 9, minute, tzinfo=UTC)
    return Row("356307042441013", ts, 41.3, 19.8, 110, 214, 63, 14, 0, "8", b'{"239":1}')


@pytest.mark.parametrize("ages", AGES)
def test_no_key_comes_twice_unless_the_ages_say_so(ages: str) -> None:
    entries = list(fleet_entries(USUAL_FLEET, 3_000, AGES[ages]))
    repeated = 300 if ages == "resent" else 0
    assert len(first_of_each_key(entries)) == 3_000 - repeated


def test_records_of_that_many_devices_have_a_key_each() -> None:
    entries = list(fleet_entries(USUAL_FLEET, 3_000, of_devices(50)))
    assert len(first_of_each_key(entries)) == 3_000
    assert len({entry.device_id for entry in entries}) == 50


def test_every_contender_turns_the_whole_stream_into_rows() -> None:
    choice = Choice(os.environ.get("PROCESSOR_TEST_SERVERS", Choice.AUTO.value))

    # It raises when a contender leaves a row out.
    result = run_service(
        filling=Filling(2_000, "resent"),
        rounds=1,
        writers=[1],
        choice=choice,
        progress=lambda _text: None,
    )

    assert list(result.runs) == [processor_name(1), ASYNCIO, COPY]
    assert result.times_less_cpu > 0
    assert result.keys == 1_800
    assert result.share_of_limit(COPY) == 1


def test_the_asyncio_service_writes_known_keys_through_staging(database: Database) -> None:
    async def write_twice() -> None:
        connection = await asyncpg.connect(database.processor_url)
        try:
            await write_rows(connection, [as_record(row(minute)) for minute in (1, 2)])
            await write_rows(connection, [as_record(row(minute)) for minute in (2, 3)])
        finally:
            await connection.close()

    asyncio.run(write_twice())

    with psycopg.connect(database.admin_url) as connection:
        rows = connection.execute("SELECT ts, attributes FROM positions ORDER BY ts").fetchall()
    assert rows == [(row(minute).ts, {"239": 1}) for minute in (1, 2, 3)]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'"latitude":41.3', b'"latitude":91', "out_of_range"),
        (b'"satellites":14', b'"satellites":true', "bad_type"),
        (b'"priority":0,', b"", "missing_field"),
        (b"09:30:00.000Z", b"9:30Z", "bad_timestamp"),
        (b"2026-05-01", b"2006-05-01", "ts_out_of_window"),
        (b'"239":1', b'"239":[1]', "bad_type"),
        (b'"239":1', b'"78":{"__bigint":"x"}', "bad_sentinel"),
        (b'"239":1', b'"1":"\\u0000"', "unstorable_text"),
        (b"}}", b"}", "bad_json"),
    ],
)
def test_python_refuses_what_the_contract_refuses(old: bytes, new: bytes, code: str) -> None:
    payload = (
        b'{"device_id":"356307042441013","timestamp":"2026-05-01T09:30:00.000Z","latitude":41.3,'
        b'"longitude":19.8,"altitude":110,"angle":214,"speed":63,"satellites":14,"priority":0,'
        b'"attributes":{"239":1}}'
    )
    assert decode({b"codec": b"8", b"payload": payload}, window(NOW)).satellites == 14

    with pytest.raises(Refused, match=code):
        decode({b"codec": b"8", b"payload": payload.replace(old, new)}, window(NOW))
