"""Launches private servers on 127.0.0.1, for tests, the demo and the benchmark.

    with launch_redis(find_redis()) as redis, launch_postgres(find_postgres()) as postgres:
        print(redis.processor_url, postgres.admin_url)

Deployments put more around them: there are also a standby, a pooler, a slow link and a Prometheus.
A server has its own session (Ctrl-C only reaches the command) and writes into one private
directory only. Both are gone when the block ends, even if its launcher is killed.
"""

from dev.servers.binaries import (
    Choice,
    Kind,
    PostgresBinaries,
    RedisBinary,
    find_postgres,
    find_redis,
)
from dev.servers.clock import faked_clock
from dev.servers.errors import ServerError
from dev.servers.pgbouncer import Pooler, launch_pgbouncer
from dev.servers.postgres import Database, PostgresServer, launch_postgres
from dev.servers.programs import find_program
from dev.servers.prometheus import Prometheus, launch_prometheus
from dev.servers.redis import RedisServer, launch_redis
from dev.servers.relay import Relay, launch_relay
from dev.servers.standby import dispense_with_standby, launch_standby, promote, require_standby

__all__ = [
    "Choice",
    "Database",
    "Kind",
    "Pooler",
    "PostgresBinaries",
    "PostgresServer",
    "Prometheus",
    "RedisBinary",
    "RedisServer",
    "Relay",
    "ServerError",
    "dispense_with_standby",
    "faked_clock",
    "find_postgres",
    "find_program",
    "find_redis",
    "launch_pgbouncer",
    "launch_postgres",
    "launch_prometheus",
    "launch_redis",
    "launch_relay",
    "launch_standby",
    "promote",
    "require_standby",
]
