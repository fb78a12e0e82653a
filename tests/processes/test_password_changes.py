"""The passwords of both servers change under load, as SECURITY.md says, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from tests.support.processes import QUICK_CLAIMS, until
from tests.support.servers import drive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import PostgresServer, RedisServer
    from tests.processes.conftest import Run
    from tests.support.servers import Servers

USER = "changing"
OLD, NEW = "old-password", "new-password"


class Accounts:
    """A user of Redis and a role of PostgreSQL with the rights of the service."""

    def __init__(self, servers: Servers, redis: RedisServer, postgres: PostgresServer) -> None:
        self._servers, self._redis, self._postgres = servers, redis, postgres
        self.redis("on", f">{OLD}", "~telemetry:*", "&telemetry:*", "+@all")
        self.postgres("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE processor", OLD)

    def redis(self, *rules: str) -> None:
        self._servers.redis.execute_command("ACL", "SETUSER", USER, *rules)  # type: ignore[no-untyped-call]

    def postgres(self, statement: str, *values: str) -> None:
        with psycopg.connect(self._postgres.admin_url, autocommit=True) as owner:
            owner.execute(sql.SQL(statement).format(sql.Identifier(USER), *values))

    def urls(self, password: str) -> dict[str, str]:
        place = f"{self._postgres.host}:{self._postgres.port}/{self._servers.database.name}"
        return {
            "REDIS_URL": f"redis://{USER}:{password}@{self._redis.host}:{self._redis.port}/0",
            "POSTGRES_URL": f"postgresql://{USER}:{password}@{place}",
        }

    def remove(self) -> None:
        self._servers.redis.execute_command("ACL", "DELUSER", USER)  # type: ignore[no-untyped-call]
        self.postgres(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {1}", USER
        )
        self.postgres("DROP ROLE {}")


@pytest.fixture
def accounts(
    servers: Servers, redis_server: RedisServer, postgres_server: PostgresServer
) -> Iterator[Accounts]:
    accounts = Accounts(servers, redis_server, postgres_server)
    yield accounts
    accounts.remove()


def test_new_passwords_reach_one_instance_after_the_other_and_nothing_is_lost(
    run: Run, servers: Servers, accounts: Accounts
) -> None:
    first = run(**accounts.urls(OLD), **QUICK_CLAIMS).ready()
    servers.publish(drive(100))
    servers.until_rows(100)
    accounts.redis(f">{NEW}")
    accounts.postgres("ALTER ROLE {} PASSWORD {}", NEW)
    # Open sessions go on.
    servers.publish(drive(100, first_second=100))
    servers.until_rows(200)
    # One that is lost now cannot come back: what it has is kept, without a failure of any record.
    accounts.postgres(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {1}", USER
    )
    first.until_not_ready("postgres", "password authentication failed")
    servers.publish(drive(100, first_second=200))
    until(lambda: servers.pending() == 100, "the first instance has read them")
    second = run(**accounts.urls(NEW), **QUICK_CLAIMS, INSTANCE_ID="processor-2").ready()
    assert first.stop() == 3
    servers.until_rows(300)
    servers.until_settled()
    # The old one is taken away, and connections that are open stay.
    accounts.redis(f"<{OLD}")
    servers.publish(drive(100, first_second=300))
    servers.until_rows(400)
    servers.until_settled()
    servers.assert_promise_kept(rows=400)
    assert second.stop() == 0
