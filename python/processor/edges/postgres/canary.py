"""Canaries: copies of rows that the table has are tried in a refused row's place, to find out what is to blame.

All of it is one transaction that is rolled back, in which nothing but the server is awaited: a copy that creates a
chunk holds a lock until then. A canary does not find what fails in COMMIT alone (a standby that is away, a full disk
under the WAL).
"""

from __future__ import annotations

import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import pq

from processor.core.schema import KEY_COLUMNS, TABLE
from processor.core.write_errors import Evidence, is_refusal
from processor.edges.postgres.rows import (
    COLUMN_LIST,
    POSTGRES_EPOCH_US,
    ROW_TYPES,
    Row,
    at,
    device_of,
    moved_by_a_hair,
    neutral_row,
    pack_ts,
    ts_us_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from processor.edges.postgres.connection import TrioConnection

# The newest rows, since tables change; of three devices, since a trigger may refuse one.
_DONORS = f"""
SELECT {COLUMN_LIST} FROM (
    SELECT DISTINCT ON (device_id) {COLUMN_LIST} FROM (
        SELECT {COLUMN_LIST} FROM {TABLE}
        WHERE ts > $2 AND ts < 'infinity' ORDER BY ts DESC LIMIT 1000
    ) newest
    WHERE device_id <> $1 ORDER BY device_id, ts DESC
) of_each_device
ORDER BY ts DESC LIMIT {{donors_max}}
"""
_DONORS_MAX: Final = 3
_FIND_DONORS = _DONORS.format(donors_max=_DONORS_MAX).encode()
_TAKEN = f"SELECT ts FROM {TABLE} WHERE device_id = $1 AND ts > $2 AND ts <= $3".encode()
# Inserts a row as a batch's are inserted. Its parameters go through the functions that read a COPY, so that a value
# that COPY refuses is refused here with the same SQLSTATE.
_INSERT = (
    f"INSERT INTO {TABLE} ({COLUMN_LIST})"
    f" VALUES ({', '.join(f'${place}' for place in range(1, len(ROW_TYPES) + 1))})"
    f" ON CONFLICT ({', '.join(KEY_COLUMNS)}) DO NOTHING"
).encode()
_NOW = b"SELECT pg_catalog.now()"
_BEGIN = b"BEGIN; SAVEPOINT canary"
# Deferred constraints are checked here, since there is no COMMIT.
_ACCEPT = b"SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK TO SAVEPOINT canary"
_REFUSED = b"ROLLBACK TO SAVEPOINT canary"
_END = b"ROLLBACK"

# text and timestamptz in src/include/catalog/pg_type.dat.
_TEXT, _TIMESTAMPTZ = 25, 1184
_MIN_US: Final = -(2**63)  # -infinity
# An entry's id may be any number, nanoseconds for example; a timestamp ends with the year 294,276.
_MAX_US: Final = 2**62

_DAY_US: Final = 86_400_000_000
# A search without a bound plans every chunk there is: 36 ms with 399 of them, 0.7 ms with those of two days.
_RECENT_US: Final = 2 * _DAY_US
# Copies are moved by microseconds to a key that is free.
_MOVES_MAX: Final = 1_000

_DEVICE_WITHOUT_DONORS: Final = b"0"


async def gather_evidence(connection: TrioConnection, refused: Row, *, entry_ms: int) -> Evidence:
    """Try copies of sound rows at the time of the refused row, and then that row itself.

    `entry_ms` is the Unix time in the refused row's entry id. Raises psycopg.Error for a failure that is
    not a refusal of a row.
    """
    async with _rehearsal(connection):
        try:
            entry_us = min(entry_ms * 1_000 - POSTGRES_EPOCH_US, _MAX_US)
            return await _examine(connection, refused, entry_us)
        except psycopg.Error as error:
            if not _is_refusal(error, connection):
                raise
            # Not even the rows that are in the table can be read.
            return Evidence.TABLE


async def _examine(connection: TrioConnection, refused: Row, entry_us: int) -> Evidence:
    ts_us, device_id = ts_us_of(refused), device_of(refused)
    donors = await _find_donors(connection, device_id, since_us=entry_us - _RECENT_US)
    copies = [await _copy(connection, donor, ts_us) for donor in donors]
    # At the refused row's time, the neutral row even at its key: if one is accepted, only the values are to blame.
    if await _refusal_of_all(connection, copies or [neutral_row(device_id, ts_us)]) is None:
        refusal = await _refusal(connection, refused)
        return Evidence.CAUSE_GONE if refusal is None else Evidence.RECORD
    if donors and ts_us < entry_us - _DAY_US:
        own = [await _copy(connection, donor, ts_us_of(donor)) for donor in donors]
        if await _refusal_of_all(connection, own) is None:
            return Evidence.TIME
    return Evidence.TABLE


async def try_sound_row(connection: TrioConnection) -> None:
    """Try a copy of a row that the table has; a neutral row if the table is empty.

    Raises psycopg.Error, also if the row is refused.
    """
    async with _rehearsal(connection):
        [(now,)] = await connection.query_binary(_NOW, (), ())
        [now_us] = struct.unpack(">q", now)
        donors = await _find_donors(connection, b"", since_us=now_us - _RECENT_US)
        rows = [await _copy(connection, donor, ts_us_of(donor)) for donor in donors]
        refusal = await _refusal_of_all(
            connection, rows or [neutral_row(_DEVICE_WITHOUT_DONORS, now_us)]
        )
    if refusal is not None:
        raise refusal


@asynccontextmanager
async def _rehearsal(connection: TrioConnection) -> AsyncIterator[None]:
    """A transaction that is rolled back. If that fails, the session is closed, which ends the transaction as well."""
    try:
        await connection.execute(_BEGIN)
        try:
            yield
        finally:
            if not connection.closed:
                await connection.execute(_END)
    finally:
        if connection.info.transaction_status != pq.TransactionStatus.IDLE:
            await connection.close()


async def _find_donors(
    connection: TrioConnection, without_device: bytes, *, since_us: int
) -> list[Row]:
    for bound_us in (since_us, _MIN_US):
        found = await connection.query_binary(
            _FIND_DONORS, (_TEXT, _TIMESTAMPTZ), (without_device, pack_ts(bound_us))
        )
        if len(found) == _DONORS_MAX:
            break
    return found


async def _copy(connection: TrioConnection, donor: Row, ts_us: int) -> Row:
    """The donor's row with slightly different numbers, at the first free key behind `ts_us`."""
    found = await connection.query_binary(
        _TAKEN,
        (_TEXT, _TIMESTAMPTZ, _TIMESTAMPTZ),
        (device_of(donor), pack_ts(ts_us), pack_ts(ts_us + _MOVES_MAX)),
    )
    taken = {ts for (ts,) in found}
    moves = (ts_us + move for move in range(1, _MOVES_MAX + 1))
    free_us = next((us for us in moves if pack_ts(us) not in taken), ts_us)
    return at(moved_by_a_hair(donor), free_us)


async def _refusal_of_all(connection: TrioConnection, rows: Sequence[Row]) -> psycopg.Error | None:
    """Try the rows in turn: None as soon as one is accepted, else how the last one was refused."""
    refusal = None
    for row in rows:
        if (refusal := await _refusal(connection, row)) is None:
            break
    return refusal


async def _refusal(connection: TrioConnection, row: Row) -> psycopg.Error | None:
    """Try the row: the error that it is refused with, or None. A trigger that drops the row raises no error."""
    try:
        await connection.query_binary(_INSERT, ROW_TYPES, row)
        await connection.execute(_ACCEPT)
    except psycopg.Error as error:
        if not _is_refusal(error, connection):
            raise
        await connection.execute(_REFUSED)
        return error
    return None


def _is_refusal(error: psycopg.Error, connection: TrioConnection) -> bool:
    return error.sqlstate is not None and not connection.closed and is_refusal(error.sqlstate)
