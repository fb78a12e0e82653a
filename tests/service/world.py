"""The two servers as a test sees them: what is published, what is pending, which rows are there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg

from tests.edges.batches import position
from tests.service.running import until

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from redis import Redis
    from redis.typing import EncodableT, FieldT

    from dev.servers import Database

GROUP = "processor"
# More entries to a pipeline gain nothing.
PIPELINE_ENTRIES = 5_000

# Redis makes entries faster than it can be sent them: one device, every microsecond one position.
GROW = """
local first = redis.call('XLEN', KEYS[1])
for n = first, first + ARGV[1] - 1 do
    local ts = string.format('2026-05-01T11:00:00.%06dZ', n)
    redis.call('XADD', KEYS[1], '*', 'codec', '8E', 'ts', ts, 'device_id', ARGV[2],
               'payload', (string.gsub(ARGV[3], 'TIMESTAMP', ts)))
end
"""

Fields: TypeAlias = "dict[FieldT, EncodableT]"


def entry(device: int, second: int, **changes: Any) -> Fields:
    """The fields that tcp-ingestion publishes for a Position; `changes` are of the Position."""
    value = position(device, second, **changes)
    return {
        "ts": value["timestamp"],
        "device_id": value["device_id"],
        "codec": "8E",
        "payload": json.dumps(value),
    }


def drive(entries: int, *, devices: int = 10, first_second: int = 0) -> list[Fields]:
    """Entries that make as many distinct rows, of `devices` devices in turn."""
    return [entry(n % devices, first_second + n // devices) for n in range(entries)]


@dataclass(frozen=True)
class World:
    """A stream and a table of the test's own."""

    redis: Redis
    stream: str
    database: Database

    def publish(self, entries: Sequence[Fields]) -> list[str]:
        """Append entries in order; their ids."""
        ids: list[bytes] = []
        for start in range(0, len(entries), PIPELINE_ENTRIES):
            with self.redis.pipeline(transaction=False) as pipeline:
                for fields in entries[start : start + PIPELINE_ENTRIES]:
                    pipeline.xadd(self.stream, fields)
                ids += pipeline.execute()
        return [entry_id.decode() for entry_id in ids]

    def publish_at_once(self, entries: Sequence[Fields]) -> list[str]:
        """Append entries so that one read delivers all of them."""
        with self.redis.pipeline(transaction=True) as pipeline:
            for fields in entries:
                pipeline.xadd(self.stream, fields)
            return [entry_id.decode() for entry_id in pipeline.execute()]

    def grow(self, entries: int) -> None:
        """Append so many entries of distinct rows, by the server itself."""
        model = entry(1, 0, timestamp="TIMESTAMP")
        self.redis.eval(GROW, 1, self.stream, entries, model["device_id"], model["payload"])

    def create_group(self) -> None:
        """Make the group, as a life of the processor before this one did."""
        self.redis.xgroup_create(self.stream, GROUP, id="0", mkstream=True)

    def pending(self) -> int:
        """Entries delivered and not acknowledged."""
        return int(self.redis.xpending(self.stream, GROUP)["pending"])

    def pending_ids(self) -> list[str]:
        """Their ids, the oldest first."""
        found: Any = self.redis.xpending_range(self.stream, GROUP, "-", "+", 10_000)
        return [each["message_id"].decode() for each in found]

    def undelivered(self) -> int | None:
        """Entries that the group has not been given yet."""
        [group] = self.redis.xinfo_groups(self.stream)
        lag: int | None = group["lag"]
        return lag

    def until_settled(self) -> None:
        """Wait until every entry was delivered and none is pending."""
        until(lambda: self.undelivered() == 0 and self.pending() == 0, "everything is settled")

    def until_pending(self, ids: Iterable[str]) -> None:
        """Wait until all was delivered and exactly these are pending."""
        wanted = sorted(ids)
        until(
            lambda: self.undelivered() == 0 and sorted(self.pending_ids()) == wanted,
            f"{len(wanted)} pending",
        )

    def owner(self) -> psycopg.Connection:
        """A connection of the table's owner; every statement is committed by itself."""
        return psycopg.connect(self.database.admin_url, autocommit=True)

    def own(self, *statements: str) -> None:
        """Run statements as the table's owner."""
        with self.owner() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def rows(self) -> int:
        """Rows in the table."""
        with self.owner() as connection:
            return _rows(connection)

    def until_rows(self, count: int) -> None:
        """Wait until the table has that many rows, at least."""
        # One session for all questions: to open one takes as long as writing some batches.
        with self.owner() as connection:
            until(lambda: _rows(connection) >= count, f"{count} rows")

    def sessions_of_the_processor(self) -> list[int]:
        """Process ids of the server's sessions that serve the processor in this database."""
        with self.owner() as connection:
            found = connection.execute(
                "SELECT pid FROM pg_stat_activity"
                " WHERE usename = 'processor' AND datname = current_database()"
            ).fetchall()
        return [pid for (pid,) in found]

    def connections(self) -> dict[str, str]:
        """Ids of the processor's connections to Redis, by what they are for."""
        return {
            client["name"].rpartition(":")[2]: client["id"]
            for client in self.redis.client_list()
            if client["name"].startswith("processor/")
        }


def _rows(connection: psycopg.Connection) -> int:
    [count] = connection.execute("SELECT count(*) FROM positions").fetchone() or (0,)
    return int(count)
