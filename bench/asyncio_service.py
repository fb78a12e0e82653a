"""The work of `processor run` as a well-made asyncio service: redis.asyncio with hiredis, orjson, asyncpg.

Run as `python -m bench.asyncio_service` with the same environment. A reader and a writer share one
loop, so that reading and decoding go on while PostgreSQL works. The rules are the contract's: state
before write, write before ack; rows sorted by key and unique; a key that is already in the table
sends the batch through staging; refused entries stay pending. It has no drain, no reclaiming and no
metrics, which would make it slower.
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
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from bench.peer_position import Refused, Row, decode, window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

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
INSERT_STAGED = (
    f"INSERT INTO positions ({', '.join(COLUMNS)}) SELECT {', '.join(COLUMNS)} FROM {STAGING}"  # noqa: S608
    " ORDER BY device_id, ts ON CONFLICT (device_id, ts) DO NOTHING"
)

Entries: TypeAlias = "list[tuple[bytes, Mapping[bytes, bytes]]]"


class Connection(Protocol):
    """The part of asyncpg's connection that is used here."""

    async def execute(self, query: str) -> str:
        """Run statements."""

    async def copy_records_to_table(
        self, table_name: str, *, records: Sequence[object], columns: Sequence[str]
    ) -> str:
        """COPY the records in PostgreSQL's binary form."""

    def transaction(self) -> AbstractAsyncContextManager[None]:
        """One transaction, for the block."""


@dataclass
class Batch:
    """Decoded records: the first row of each key, and the ids of all of them."""

    rows: dict[tuple[str, datetime], Row] = field(default_factory=dict)
    entry_ids: list[bytes] = field(default_factory=list)

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
            row = decode(fields, accepted)
        except Refused as refused:
            log("record refused", entry_id=entry_id.decode(), code=str(refused))
            continue
        rows.setdefault((row.device_id, row.ts), row)
        entry_ids.append(entry_id)
    return batch


async def read(redis: Redis, queue: asyncio.Queue[Batch]) -> None:
    """Own pending entries first, then new ones."""
    cursor = "0"
    while True:
        entries = await read_group(redis, cursor)
        if entries:
            await queue.put(decode_entries(entries))
        if cursor != ">":
            cursor = entries[-1][0].decode() if entries else ">"


async def read_group(redis: Redis, cursor: str) -> Entries:
    """One XREADGROUP; empty when nothing came."""
    reply: Any = await redis.xreadgroup(
        GROUP, CONSUMER, {STREAM: cursor}, count=BATCH_SIZE, block=BATCH_BLOCK_MS
    )
    if not reply:
        return []
    entries: Entries = reply[0][1]
    return entries


async def write(redis: Redis, connection: Connection, queue: asyncio.Queue[Batch]) -> None:
    """Write the waiting batches, at most `WRITE_BATCH_SIZE` rows at a time, and ack them after the commit."""
    states = DeviceStates()
    while True:
        batch = await queue.get()
        while len(batch.rows) + BATCH_SIZE <= WRITE_BATCH_SIZE and not queue.empty():
            batch.take_in(queue.get_nowait())
        states.update(batch)
        await write_rows(connection, [as_record(batch.rows[key]) for key in sorted(batch.rows)])
        await redis.xack(STREAM, GROUP, *batch.entry_ids)


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
    # A connection each for the blocking read and the acks come from the pool.
    redis = Redis.from_url(os.environ["REDIS_URL"], protocol=2, driver_info=None)
    await ensure_group(redis)
    queue: asyncio.Queue[Batch] = asyncio.Queue(maxsize=WRITE_BATCH_SIZE // BATCH_SIZE)
    log("processor ready")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read(redis, queue))
        tasks.create_task(write(redis, connection, queue))


if __name__ == "__main__":
    asyncio.run(main())
