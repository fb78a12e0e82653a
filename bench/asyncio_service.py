"""The work of `processor run` as a well-made asyncio service: uvloop, redis.asyncio with hiredis, orjson, asyncpg.

Run as `python -m bench.asyncio_service` with the same environment. The rules are the contract's: state before
write, write before ack; rows sorted by key and unique; refused entries stay pending. Few rows are one prepared
INSERT ... ON CONFLICT DO NOTHING of arrays; many are a COPY, which goes through staging if a key is already there.

At an everyday pace the acks of a batch go in front of the next read, on the same connection: entries gather in Redis
while it writes. Under load it reads and decodes the next batch while PostgreSQL works. It has no drain, no reclaiming,
no time-outs and no metrics, all of which would make it slower.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import uvloop
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from bench.peer_position import Refused, Row, decode, window

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from redis.asyncio.connection import AbstractConnection

STREAM = os.environ.get("REDIS_TELEMETRY_STREAM", "telemetry:teltonika")
GROUP = os.environ.get("REDIS_CONSUMER_GROUP", "processor")
CONSUMER = os.environ.get("INSTANCE_ID", "processor-1")
BATCH_SIZE = int(os.environ.get("BATCH_SIZE", "5000"))
BATCH_BLOCK_MS = int(os.environ.get("BATCH_BLOCK_MS", "1000"))
WRITE_BATCH_SIZE = int(os.environ.get("WRITE_BATCH_SIZE", "20000"))
DEVICE_STATE_LRU_CAP = int(os.environ.get("DEVICE_STATE_LRU_CAP", "100000"))

STAGING = "positions_staging"
CREATE_STAGING = (
    f"CREATE TEMPORARY TABLE IF NOT EXISTS {STAGING} (LIKE positions INCLUDING DEFAULTS)"
    " ON COMMIT DELETE ROWS"
)
COLUMNS = Row._fields
TYPES = ("text", "timestamptz", *2 * ["float8"], *3 * ["float4"], *2 * ["int2"], "text", "jsonb")
ARRAYS = ", ".join(f"${number}::{name}[]" for number, name in enumerate(TYPES, 1))
INSERT = (
    f"INSERT INTO positions ({', '.join(COLUMNS)}) SELECT * FROM unnest({ARRAYS})"  # noqa: S608
    " ON CONFLICT (device_id, ts) DO NOTHING"
)
# Beyond it a COPY costs no more.
INSERT_ROWS_MAX = 500
INSERT_STAGED = (
    f"INSERT INTO positions ({', '.join(COLUMNS)}) SELECT {', '.join(COLUMNS)} FROM {STAGING}"  # noqa: S608
    " ORDER BY device_id, ts ON CONFLICT (device_id, ts) DO NOTHING"
)

Entries: TypeAlias = "list[tuple[bytes, list[bytes]]]"
"""Ids, and names and values of the fields by turns."""


class Statement(Protocol):
    """A prepared statement."""

    async def fetch(self, *args: object) -> list[object]:
        """Run it with these arguments."""


class Connection(Protocol):
    """The part of asyncpg's connection that is used here."""

    async def execute(self, query: str) -> str:
        """Run statements."""

    async def copy_records_to_table(
        self, table_name: str, *, records: Sequence[object], columns: Sequence[str]
    ) -> str:
        """COPY the records in PostgreSQL's binary form."""

    async def prepare(self, query: str) -> Statement:
        """Have PostgreSQL parse it once."""

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """One transaction, for the block."""


@dataclass
class Batch:
    """Decoded records: the first row of each key, and the ids of all of them."""

    rows: dict[tuple[str, datetime], Row] = field(default_factory=dict)
    entry_ids: list[bytes] = field(default_factory=list)
    is_full: bool = False

    def take_in(self, other: Batch) -> None:
        """Add a later batch; a key's first row stays."""
        self.rows = other.rows | self.rows
        self.entry_ids += other.entry_ids


@dataclass
class DeviceStates:
    """The newest row of each device, for as many devices as there is room for."""

    newest: OrderedDict[str, Row] = field(default_factory=OrderedDict)

    def update(self, batch: Batch) -> None:
        """Add the batch; an older position never replaces a newer one."""
        for row in batch.rows.values():
            known = self.newest.get(row.device_id)
            if known is None or row.ts > known.ts:
                self.newest[row.device_id] = row
            self.newest.move_to_end(row.device_id)
        while len(self.newest) > DEVICE_STATE_LRU_CAP:
            self.newest.popitem(last=False)


def log(message: str, **fields: object) -> None:
    """One JSON object a line, as the processor logs."""
    sys.stdout.write(json.dumps({"msg": message, **fields}) + "\n")
    sys.stdout.flush()


def decode_entries(entries: Entries) -> Batch:
    """The batch of one read; refused entries are logged and left pending."""
    accepted = window(datetime.now(UTC))
    batch = Batch()
    rows, entry_ids = batch.rows, batch.entry_ids
    for entry_id, fields in entries:
        try:
            row = decode(dict(zip(fields[::2], fields[1::2], strict=True)), accepted)
        except Refused as refused:
            log("record refused", entry_id=entry_id.decode(), code=str(refused))
            continue
        rows.setdefault((row.device_id, row.ts), row)
        entry_ids.append(entry_id)
    return batch


class Group:
    """The group on one connection of the client's; acks go in front of the next read."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._acks: list[bytes] = []
        self._waiting_read = self._read_command(">", "BLOCK", BATCH_BLOCK_MS)
        self._read = self._read_command(">")

    def ack(self, entry_ids: Sequence[bytes]) -> None:
        """Say before the next read that these are done with."""
        self._acks.append(self._packed("XACK", STREAM, GROUP, *entry_ids))

    async def own_pending(self, after: bytes) -> Entries:
        """Entries that an earlier life has left behind."""
        return await self._ask(self._read_command(after))

    async def new(self, *, wait: bool) -> Entries:
        """Entries that nobody has read yet; empty when there are none, be it after a wait."""
        return await self._ask(self._waiting_read if wait else self._read)

    async def _ask(self, command: bytes) -> Entries:
        acks, self._acks = self._acks, []
        await self._connection.send_packed_command(b"".join(acks) + command)
        for _ in acks:
            await self._connection.read_response()
        reply: Any = await self._connection.read_response()
        return reply[0][1] if reply else []

    def _read_command(self, after: str | bytes, *waiting: str | int) -> bytes:
        return self._packed(
            *("XREADGROUP", "GROUP", GROUP, CONSUMER, "COUNT", BATCH_SIZE),
            *(*waiting, "STREAMS", STREAM, after),
        )

    def _packed(self, *words: str | bytes | int) -> bytes:
        return b"".join(self._connection.pack_command(*words))


async def gather(group: Group) -> Batch:
    """The next batch: all that is there, up to `WRITE_BATCH_SIZE` rows; waits for the first entry."""
    entries = await group.new(wait=True)
    batch = decode_entries(entries)
    while len(entries) == BATCH_SIZE:
        if len(batch.rows) + BATCH_SIZE > WRITE_BATCH_SIZE:
            batch.is_full = True
            break
        entries = await group.new(wait=False)
        batch.take_in(decode_entries(entries))
    return batch


async def work(redis: Redis, group: Group, connection: Connection) -> None:
    """Write batches, and ack each after its commit."""
    states = DeviceStates()
    statement = await connection.prepare(INSERT)
    last_id = b"0"
    while entries := await group.own_pending(last_id):
        last_id = entries[-1][0]
        batch = decode_entries(entries)
        await write(connection, statement, states, batch)
        group.ack(batch.entry_ids)
    reading: asyncio.Task[Batch] | None = None
    while True:
        batch = await (reading or gather(group))
        # More is there: read it meanwhile.
        reading = asyncio.create_task(gather(group)) if batch.is_full else None
        if batch.entry_ids:
            await write(connection, statement, states, batch)
            if reading is None:
                group.ack(batch.entry_ids)
            else:
                await redis.xack(STREAM, GROUP, *batch.entry_ids)


async def write(
    connection: Connection, statement: Statement, states: DeviceStates, batch: Batch
) -> None:
    """The rows in the table, in order; the states first."""
    states.update(batch)
    records = [as_record(batch.rows[key]) for key in sorted(batch.rows)]
    if len(records) > INSERT_ROWS_MAX:
        await write_rows(connection, records)
    else:
        await statement.fetch(*zip(*records, strict=True))


def as_record(row: Row) -> tuple[object, ...]:
    """The row as asyncpg takes it: jsonb as text."""
    return (*row[:-1], row.attributes.decode())


async def write_rows(connection: Connection, records: list[tuple[object, ...]]) -> None:
    """One COPY; through staging when a key is already there."""
    try:
        await connection.copy_records_to_table("positions", records=records, columns=COLUMNS)
    except asyncpg.UniqueViolationError:
        await connection.execute(CREATE_STAGING)
        async with connection.transaction():
            await connection.copy_records_to_table(STAGING, records=records, columns=COLUMNS)
            await connection.execute(INSERT_STAGED)


async def ensure_group(redis: Redis) -> None:
    """The group at id 0; the stream too, if it is not there."""
    try:
        await redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    except ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):
            raise


async def main() -> None:
    """Connect, say so, and work until the process is ended."""
    connection: Connection = await asyncpg.connect(os.environ["POSTGRES_URL"])
    redis = Redis.from_url(os.environ["REDIS_URL"], protocol=2, driver_info=None)
    await ensure_group(redis)
    pool: Any = redis.connection_pool
    group = Group(await pool.get_connection())
    log("processor ready")
    await work(redis, group, connection)


if __name__ == "__main__":
    uvloop.run(main())
