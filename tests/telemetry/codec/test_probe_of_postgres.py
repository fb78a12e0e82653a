"""Keys as a real PostgreSQL reads them: what it finds is what is in the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from telemetry._codec import COLUMNS, DeviceStates
from tests.support.wire import batch, position

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import Database
    from telemetry._codec import Batch, Keys

COPY = sql.SQL("COPY positions ({}) FROM STDIN (FORMAT BINARY)").format(
    sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
)
TEXT_ARRAY_OID, TIMESTAMPTZ_ARRAY_OID = 1009, 1185
BINARY = 1

AS_TEXT = "SELECT device_id || ' ' || ts FROM unnest($1, $2) AS key (device_id, ts)"
PROBE = """
    SELECT (place - 1)::int4
    FROM unnest($1, $2) WITH ORDINALITY AS key (device_id, ts, place)
    JOIN positions USING (device_id, ts)
    ORDER BY place DESC
"""

Session = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def connection(database: Database) -> Iterator[Session]:
    """A session of the role that the processor has."""
    with psycopg.connect(database.processor_url) as session:
        session.execute("SET TIME ZONE 'UTC'")
        yield session


def copy(connection: Session, rows: Batch) -> int:
    with connection.cursor() as cursor:
        with cursor.copy(COPY) as stream:
            for piece in rows.copy_chunks(65_536):
                stream.write(piece)
        return cursor.rowcount


def ask(connection: Session, query: str, keys: Keys) -> list[bytes]:
    """The one column of the answer, in binary, to a query whose parameters are the keys."""
    result = connection.pgconn.exec_params(
        query.encode(),
        [keys.device_ids, keys.timestamps],
        param_types=[TEXT_ARRAY_OID, TIMESTAMPTZ_ARRAY_OID],
        param_formats=[BINARY, BINARY],
        result_format=BINARY,
    )
    assert result.status == psycopg.pq.ExecStatus.TUPLES_OK, result.error_message
    return [result.get_value(row, 0) or b"" for row in range(result.ntuples)]


def all_keys(rows: Batch) -> Keys:
    return DeviceStates(1).unproven(rows)


def test_keys_come_out_as_they_went_in(connection: Session) -> None:
    rows = batch(
        [
            position(device_id="b", timestamp='"2026-05-01T09:30:00.123456Z"'),
            position(device_id="a", timestamp='"2016-12-31T23:59:59Z"'),
            position(device_id="a", timestamp='"2016-12-31T23:59:59Z"'),
            position(device_id="é" * 32, timestamp='"2024-03-01T01:00:00+02:00"'),
        ]
    )
    assert [text.decode() for text in ask(connection, AS_TEXT, all_keys(rows))] == [
        "a 2016-12-31 23:59:59+00",
        "é" * 32 + " 2024-02-29 23:00:00+00",
        "b 2026-05-01 09:30:00.123456+00",
    ]


def test_no_keys_are_empty_arrays(connection: Session) -> None:
    assert ask(connection, AS_TEXT, all_keys(batch([]))) == []


def test_what_a_probe_leaves_is_what_can_be_copied(connection: Session) -> None:
    rows = batch(position(number // 2, device_id=f"d{number % 7}") for number in range(2000))
    stored = batch(position(number, device_id=f"d{number % 3}") for number in range(700))
    copy(connection, stored)
    keys = all_keys(rows)
    rest, known = rows.drop_known(keys, b"".join(ask(connection, PROBE, keys)))
    assert (known.rows > 0, rest.rows > 0) == (True, True)
    assert copy(connection, rest) == rest.rows
    assert len(ask(connection, PROBE, keys)) == rows.rows == rest.rows + known.rows
    assert connection.execute("SELECT count(*) FROM positions").fetchone() == (
        stored.rows + rest.rows,
    )


def test_what_restored_devices_prove_new_need_not_be_asked_for(connection: Session) -> None:
    states = DeviceStates(10)
    stored = batch(position(number, device_id=f"d{number % 3}") for number in range(30))
    copy(connection, stored)
    newest = connection.execute(
        """
        SELECT DISTINCT ON (device_id)
            device_id, (extract(epoch FROM ts) * 1000000)::int8, latitude, longitude
        FROM positions ORDER BY device_id, ts DESC
        """
    ).fetchall()
    rows = batch(position(number, device_id=f"d{number % 4}") for number in range(60))
    states.restore(states.cold(rows), newest)
    keys = states.unproven(rows)
    known = ask(connection, PROBE, keys)
    rest, _ = rows.drop_known(keys, b"".join(known))
    assert len(known) < len(keys) < rows.rows
    assert copy(connection, rest) == rest.rows == rows.rows - len(known)
