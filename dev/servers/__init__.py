"""Launches a Redis and a PostgreSQL server of one's own on 127.0.0.1, for tests, the demo and the benchmark.

    with launch_redis(find_redis()) as redis, launch_postgres(find_postgres()) as postgres:
        print(redis.url, postgres.admin_url)

A server lives in a session of its own (Ctrl-C reaches the command alone), keeps all it writes in
one private directory, and is gone with that directory when the block ends, even if its launcher is killed.
"""

from dev.servers.binaries import (
    Choice,
    Kind,
    PostgresBinaries,
    RedisBinary,
    find_postgres,
    find_redis,
)
from dev.servers.errors import ServerError
from dev.servers.postgres import Database, PostgresServer, launch_postgres
from dev.servers.redis import RedisServer, launch_redis

__all__ = [
    "Choice",
    "Database",
    "Kind",
    "PostgresBinaries",
    "PostgresServer",
    "RedisBinary",
    "RedisServer",
    "ServerError",
    "find_postgres",
    "find_redis",
    "launch_postgres",
    "launch_redis",
]
