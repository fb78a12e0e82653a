"""Both servers of the paced runs. PostgreSQL remembers when each row was committed, so the table has the latency."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import redis

from bench.cpu import family_cpu_s
from bench.measure import BenchError
from bench.servers import HYPERTABLE, PLAIN, POSTGRES_SETTINGS, REDIS_ARGUMENTS, ServersCpu
from dev.schema import create_database
from dev.servers import find_postgres, find_redis, launch_postgres, launch_redis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.paced.producer import Sent
    from dev.servers import Choice, Database, PostgresServer, RedisServer

STREAM, GROUP = "telemetry:bench", "processor"
DATABASE = "paced"
# A record's time is the moment at which it was sent.
LATENCIES = """
    SELECT count(*), count(DISTINCT xmin::text),
           percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (
               ORDER BY extract(epoch FROM pg_xact_commit_timestamp(xmin) - ts) * 1000)::float8[]
    FROM positions WHERE ts >= to_timestamp(%s / 1e6)
"""


@dataclass(frozen=True)
class Commits:
    """The latency of a run's rows from XADD to commit, exact, and the number of transactions."""

    transactions: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class PacedServers:
    """Redis and PostgreSQL, and the benchmark's own connections to them."""

    redis_server: RedisServer
    postgres_server: PostgresServer
    database: Database
    _redis: redis.Redis
    _postgres: psycopg.Connection

    def reset(self) -> None:
        """Leave neither stream nor group nor rows, and nothing for PostgreSQL to write out later."""
        self._redis.flushall()
        self._postgres.execute("TRUNCATE positions")
        self._postgres.execute("CHECKPOINT")

    def settled(self) -> bool:
        """Whether the group has read all of the stream and acked all that it has read."""
        groups: list[dict[str, Any]] = self._redis.xinfo_groups(STREAM)
        return any(
            group["name"] == GROUP.encode() and group["lag"] == 0 and group["pending"] == 0
            for group in groups
        )

    def check_rows(self, name: str, records: int) -> None:
        """Check that each record has become a row: each has its own key. Raises BenchError."""
        [rows] = self._postgres.execute("SELECT count(*) FROM positions").fetchone() or (0,)
        if rows != records:
            raise BenchError(
                f"{name} left {rows:,} rows of {records:,} records: nothing to compare"
            )

    def commits(self, sent: Sent) -> Commits:
        """What has become of the records of an order. Raises BenchError if there are others."""
        row = self._postgres.execute(LATENCIES, (sent.first_us,)).fetchone()
        assert row is not None
        rows, transactions, (p50_ms, p99_ms) = row
        if rows != sent.records:
            raise BenchError(
                f"{rows:,} rows are as young as the {sent.records:,} records of the run"
            )
        return Commits(transactions, p50_ms, p99_ms)

    def cpu(self) -> ServersCpu:
        """CPU time that both have used up to now."""
        return ServersCpu(
            redis_s=family_cpu_s(self.redis_server.process.pid),
            postgres_s=family_cpu_s(self.postgres_server.process.pid),
        )

    def __str__(self) -> str:
        table = PLAIN if self.postgres_server.binaries.timescaledb is None else HYPERTABLE
        return (
            f"{self.redis_server.product} {self.redis_server.version},"
            f" {self.postgres_server.binaries}, {table}"
        )


@contextlib.contextmanager
def launch_paced_servers(choice: Choice) -> Iterator[PacedServers]:
    """Start both and apply the schema; all is gone when the block ends. Raises ServerError."""
    settings = {**POSTGRES_SETTINGS, "track_commit_timestamp": "on"}
    with (
        launch_redis(find_redis(choice), extra_args=REDIS_ARGUMENTS) as redis_server,
        launch_postgres(find_postgres(choice), settings=settings) as postgres_server,
    ):
        database = create_database(postgres_server, DATABASE)
        with (
            contextlib.closing(redis.Redis.from_url(redis_server.admin_url, protocol=2)) as client,
            psycopg.connect(database.admin_url, autocommit=True) as connection,
        ):
            yield PacedServers(redis_server, postgres_server, database, client, connection)
