"""COPY streams as a real PostgreSQL reads them: what comes back is what was sent."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from telemetry._codec import COLUMNS
from tests.support.wire import batch, position

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dev.servers import Database
    from telemetry._codec import Batch

COPY = sql.SQL("COPY positions ({}) FROM STDIN (FORMAT BINARY)").format(
    sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
)

FORTY_DIGITS = "1234567890" * 4


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A session of the role that the processor has."""
    with psycopg.connect(database.processor_url) as session:
        yield session


def copy(
    connection: psycopg.Connection[tuple[Any, ...]], rows: Batch, chunk_bytes: int = 65_536
) -> int:
    with connection.cursor() as cursor:
        with cursor.copy(COPY) as stream:
            for piece in rows.copy_chunks(chunk_bytes):
                stream.write(piece)
        return cursor.rowcount


def stored(
    connection: psycopg.Connection[tuple[Any, ...]], payloads: Iterable[bytes], columns: str
) -> list[tuple[Any, ...]]:
    copy(connection, batch(payloads))
    query = sql.SQL("SELECT {} FROM positions ORDER BY device_id, ts").format(sql.SQL(columns))
    return connection.execute(query, binary=True).fetchall()


def attributes_text(connection: psycopg.Connection[tuple[Any, ...]], attributes: str) -> str:
    ((text,),) = stored(connection, [position(attributes=attributes)], "attributes::text")
    assert isinstance(text, str)
    return text


def single(value: float) -> float:
    """The value as `real` holds it."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


def test_every_column_comes_back_as_it_was_sent(
    connection: psycopg.Connection[tuple[Any, ...]],
) -> None:
    payload = position(
        1, altitude="-12.3", angle="359.99", speed="0.1", satellites="-1", priority="2"
    )
    (row,) = stored(connection, [payload], ", ".join(COLUMNS))
    assert row == (
        "356307042441013",
        datetime(2026, 5, 1, 9, 30, 1, tzinfo=UTC),
        41.3275,
        19.8187,
        single(-12.3),
        single(359.99),
        single(0.1),
        -1,
        2,
        "8E",
        {"239": 1},
    )
    assert connection.execute(
        "SELECT faulty, ingested_at IS NOT NULL FROM positions"
    ).fetchone() == (False, True)


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        ("1.10", "1.10"),
        ("-0.50", "-0.50"),
        (FORTY_DIGITS, FORTY_DIGITS),
        (f"0.{FORTY_DIGITS}", f"0.{FORTY_DIGITS}"),
        ("1e2", "100"),
        ("1.50E+3", "1500"),
        ("1.50e1", "15.0"),
        ("12e-5", "0.00012"),
        ("0e5", "0"),
        ("1e399", "1" + "0" * 399),
        ("true", "true"),
        ("null", "null"),
        ('"\\u00e9\\ud83d\\ude9a \\" \\\\ \\n"', '"é🚚 \\" \\\\ \\n"'),
        ('"\\u0001"', '"\\u0001"'),
        ('{"__bigint":"18446744073709551615"}', '"18446744073709551615"'),
        ('{"__bigint":"-1"}', '"-1"'),
        ('{"__buffer_b64":"AQIDBA=="}', '"AQIDBA=="'),
        ('{"type":"Buffer","data":[1,2,3,4]}', '"AQIDBA=="'),
    ],
)
def test_attributes_keep_every_digit(
    connection: psycopg.Connection[tuple[Any, ...]], wire: str, text: str
) -> None:
    assert attributes_text(connection, f'{{"1":{wire}}}') == f'{{"1": {text}}}'


@pytest.mark.parametrize(
    "wire",
    ["1e2", "1.50e1", "-1.25e-3", "0.00e1", "0.001e2", "-0e0", "123.4500e-2", "-0", "0.00e-3"],
)
def test_a_number_is_stored_as_jsonb_itself_would_write_it(
    connection: psycopg.Connection[tuple[Any, ...]], wire: str
) -> None:
    own = connection.execute("SELECT %s::jsonb::text", [f'{{"1":{wire}}}']).fetchone()
    assert own == (attributes_text(connection, f'{{"1":{wire}}}'),)


def test_a_payload_full_of_the_costliest_numbers_stays_small(
    connection: psycopg.Connection[tuple[Any, ...]],
) -> None:
    members = [f'"{number}":1e399' for number in range(5_000)]
    attributes = "{" + ",".join(members) + "}"
    assert 60_000 < len(attributes) < 65_536
    # jsonb itself takes exponents of up to 131,071: as many of those would be 500 MB.
    assert len(attributes_text(connection, attributes)) < 2_500_000


def test_of_repeated_keys_jsonb_would_keep_the_same(
    connection: psycopg.Connection[tuple[Any, ...]],
) -> None:
    attributes = '{"1":1,"10":2,"2":3,"\\u0031":4,"__generation_type":5,"10":6}'
    own = connection.execute("SELECT %s::jsonb::text", [attributes]).fetchone()
    assert own == (attributes_text(connection, attributes),)


def test_timestamps_keep_their_microseconds_and_their_zone(
    connection: psycopg.Connection[tuple[Any, ...]],
) -> None:
    sent = {
        "1": ("2026-05-01T09:30:00.123456789Z", datetime(2026, 5, 1, 9, 30, 0, 123456, UTC)),
        "2": ("2026-05-01T09:30:00+02:00", datetime(2026, 5, 1, 7, 30, tzinfo=UTC)),
        "3": ("2024-02-29T23:59:59.999999-00:30", datetime(2024, 3, 1, 0, 29, 59, 999999, UTC)),
        "4": ("2016-12-31T23:59:59Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
    }
    payloads = [
        position(device_id=device, timestamp=f'"{text}"') for device, (text, _) in sent.items()
    ]
    rows = stored(connection, payloads, "device_id, ts")
    assert rows == [(device, instant) for device, (_, instant) in sent.items()]


def test_bounds_of_the_columns_come_back(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    largest = 3.4028234663852886e38
    payload = position(
        latitude="-90",
        longitude="180.0",
        altitude="3.4028235e38",
        angle="-3.4028235e38",
        speed="1e-45",
        satellites="32767",
        priority="-32768",
        device_id="é" * 32,
    )
    columns = "latitude, longitude, altitude, angle, speed, satellites, priority, device_id"
    (row,) = stored(connection, [payload], columns)
    assert row[:4] == (-90.0, 180.0, largest, -largest)
    assert math.isclose(row[4], 1.4e-45, rel_tol=0.01)
    assert row[5:] == (32767, -32768, "é" * 32)


def test_repeats_are_not_written(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    rows = batch([position(2), position(1, speed="1"), position(1, speed="2"), position(2)])
    assert copy(connection, rows) == rows.rows == 2
    speeds = connection.execute("SELECT speed FROM positions ORDER BY ts").fetchall()
    assert speeds == [(1.0,), (63.0,)]


def test_the_size_of_the_pieces_does_not_matter(
    connection: psycopg.Connection[tuple[Any, ...]],
) -> None:
    rows = batch(position(number) for number in range(3000))
    for chunk_bytes in (1, 1000, 1 << 24):
        assert copy(connection, rows, chunk_bytes) == 3000
        assert connection.execute("SELECT count(*) FROM positions").fetchone() == (3000,)
        connection.rollback()


def test_an_empty_batch_is_an_empty_copy(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    assert copy(connection, batch([])) == 0
