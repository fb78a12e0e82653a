"""The servers of one benchmark: an empty table, a filled stream, and how to restore both."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import redis

from bench.ages import FLEET_START
from bench.cpu import family_cpu_s
from bench.replies import GROUP, STREAM
from dev.schema import create_database
from dev.servers import (
    Choice,
    Database,
    PostgresServer,
    RedisServer,
    find_postgres,
    find_redis,
    launch_postgres,
    launch_redis,
)
from telemetry.stream.publisher import StreamPublisher, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from telemetry.stream.entry import Entry

DATABASE = "bench"
PLAIN, HYPERTABLE = "plain table", "hypertable"
PUBLISH_BATCH = 2000
# No device of the fleet has it.
STORE_DAYS = """
    INSERT INTO positions (device_id, ts, latitude, longitude, altitude, angle, speed, satellites, priority,
                           codec, attributes)
    SELECT 'stored', %s - day * interval '1 day', 41, 19, 0, 0, 0, 0, 0, '8', '{}'
    FROM generate_series(0, %s - 1) day
"""
# A position of each device from the day before: the service has something to restore.
STORE_DEVICES = """
    INSERT INTO positions (device_id, ts, latitude, longitude, altitude, angle, speed, satellites, priority,
                           codec, attributes)
    SELECT '3563070' || lpad(device::text, 8, '0'), %s - interval '1 day', 41, 19, 0, 0, 0, 0, 0, '8', '{}'
    FROM generate_series(0, %s - 1) device
"""
# The same columns, indexes and grants, without chunks.
MAKE_PLAIN = """
    ALTER TABLE positions RENAME TO chunked;
    CREATE TABLE positions (LIKE chunked INCLUDING ALL);
    DROP TABLE chunked;
    GRANT SELECT, INSERT, UPDATE ON positions TO processor
"""
# Nothing is trimmed.
STREAM_ENTRIES_MAX = 10_000_000
COUNT_WRITTEN = "SELECT count(*) FROM positions WHERE device_id <> 'stored'"
# Nothing is kept on disk: the stream is made again for each benchmark.
REDIS_ARGUMENTS = ("--appendonly", "no")
DURABLE_REDIS_ARGUMENTS = ("--auto-aof-rewrite-percentage", "0")
# Commits wait for the log as usual (synchronous_commit), but disks are not compared: no
# fsync, no checkpoint and no autovacuum in the middle of a run.
POSTGRES_SETTINGS = {
    "synchronous_commit": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
}


@dataclass(frozen=True)
class ServersCpu:
    """CPU time that the servers have used since they were started."""

    redis_s: float
    postgres_s: float

    def __sub__(self, earlier: ServersCpu) -> ServersCpu:
        return ServersCpu(self.redis_s - earlier.redis_s, self.postgres_s - earlier.postgres_s)


@dataclass(frozen=True)
class BenchServers:
    """Both servers, and the benchmark's connections to them."""

    redis_server: RedisServer
    postgres_server: PostgresServer
    database: Database
    table_kind: str
    _redis: redis.Redis
    _postgres: psycopg.Connection

    def __str__(self) -> str:
        redis_server = self.redis_server
        return f"{redis_server.product} {redis_server.version}, {self.postgres_server.binaries}"

    def fill(self, entries: Sequence[Entry]) -> None:
        """Append the entries to the stream as tcp-ingestion would."""
        target = Target(stream=STREAM, entries_max=STREAM_ENTRIES_MAX)
        with StreamPublisher(self.redis_server.operator_url, target) as publisher:
            for first in range(0, len(entries), PUBLISH_BATCH):
                publisher.publish(entries[first : first + PUBLISH_BATCH])

    def reset(self, days_stored: int = 1) -> None:
        """Leave a row a day in the table, remove the group, and make PostgreSQL write out dirty pages."""
        self._redis.xgroup_destroy(STREAM, GROUP)
        self._postgres.execute("TRUNCATE positions")
        self._postgres.execute(STORE_DAYS, (FLEET_START, days_stored))
        self._postgres.execute("CHECKPOINT")

    def store_devices(self, devices: int) -> None:
        """Add a position of each device, of the day before the stream's."""
        self._postgres.execute(STORE_DEVICES, (FLEET_START, devices))
        self._postgres.execute("ANALYZE positions")

    def empty_stream(self) -> None:
        """Leave a stream that never had an entry."""
        self._redis.delete(STREAM)
        self._redis.xgroup_create(STREAM, GROUP, mkstream=True)

    def settled(self) -> bool:
        """Whether the group has read all of the stream and acked all that it has read."""
        groups: list[dict[str, Any]] = self._redis.xinfo_groups(STREAM)
        return any(
            group["name"] == GROUP.encode() and group["lag"] == 0 and group["pending"] == 0
            for group in groups
        )

    def rows(self) -> int:
        """Rows in the table that were not there before a run."""
        row = self._postgres.execute(COUNT_WRITTEN).fetchone()
        assert row is not None
        return int(row[0])

    def servers_cpu(self) -> ServersCpu:
        """Their CPU time up to now."""
        return ServersCpu(
            redis_s=family_cpu_s(self.redis_server.process.pid),
            postgres_s=family_cpu_s(self.postgres_server.process.pid),
        )


@contextlib.contextmanager
def launch_servers(
    choice: Choice, *, plain: bool = False, durable: bool = False
) -> Iterator[BenchServers]:
    """Start both servers and apply the schema; all is gone when the block ends. Raises ServerError.

    The table is a hypertable where the server has TimescaleDB, unless `plain`. Redis keeps nothing on disk, unless
    `durable`: then it has an append-only file that is synced every second, and never rewritten.
    """
    arguments = DURABLE_REDIS_ARGUMENTS if durable else REDIS_ARGUMENTS
    with (
        launch_redis(find_redis(choice), durable=durable, extra_args=arguments) as redis_server,
        launch_postgres(find_postgres(choice), settings=POSTGRES_SETTINGS) as postgres_server,
    ):
        database = create_database(postgres_server, DATABASE)
        with (
            contextlib.closing(redis.Redis.from_url(redis_server.admin_url, protocol=2)) as client,
            psycopg.connect(database.admin_url, autocommit=True) as connection,
        ):
            kind = PLAIN
            if postgres_server.binaries.timescaledb is not None:
                if plain:
                    connection.execute(MAKE_PLAIN)
                else:
                    kind = HYPERTABLE
            yield BenchServers(redis_server, postgres_server, database, kind, client, connection)
