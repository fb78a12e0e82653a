"""Passwords come out nowhere, whatever goes wrong: they are seeded, and everything that came out is searched."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from dev.servers.ports import HOST, free_port
from tests.processes.test_crashes import SITECUSTOMIZE
from tests.support.processes import PROCESSOR, Service, base_environment
from tests.support.secret_words import (
    POSTGRES_CORE,
    POSTGRES_PASSWORD,
    REDIS_CORE,
    REDIS_PASSWORD,
    SecretUrls,
    assert_kept,
    dumps_in,
    said_by,
    shown_by,
    shown_by_redis,
)
from tests.support.servers import drive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dev.servers import PostgresServer, RedisServer
    from tests.support.servers import Servers

USER = "keeper"
IMEI = "356307042441013"
# The longest way: every line that there is.
LOUD = {"LOG_LEVEL": "trace", "CONNECT_ATTEMPTS": "1", "CONNECT_BACKOFF_MAX_MS": "20"}


@pytest.fixture
def urls(
    servers: Servers, redis_server: RedisServer, postgres_server: PostgresServer
) -> Iterator[SecretUrls]:
    """Users of both servers with the rights of the service, and the secrets as passwords."""
    client = servers.redis
    client.execute_command(  # type: ignore[no-untyped-call]
        "ACL", "SETUSER", USER, "on", f">{REDIS_PASSWORD}", "~telemetry:*", "&telemetry:*", "+@all"
    )
    slow = client.config_get("slowlog-log-slower-than")
    client.config_set("slowlog-log-slower-than", "0")
    with psycopg.connect(postgres_server.admin_url, autocommit=True) as owner:
        owner.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE processor").format(
                sql.Identifier(USER), POSTGRES_PASSWORD
            )
        )
    yield SecretUrls(
        USER,
        f"{redis_server.host}:{redis_server.port}",
        f"{postgres_server.host}:{postgres_server.port}/{servers.database.name}",
    )
    client.config_set("slowlog-log-slower-than", str(slow["slowlog-log-slower-than"]))
    client.slowlog_reset()
    client.execute_command("ACL", "DELUSER", USER)  # type: ignore[no-untyped-call]
    with psycopg.connect(postgres_server.admin_url, autocommit=True) as owner:
        owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(USER)))


@pytest.fixture
def environment(urls: SecretUrls, servers: Servers, tmp_path: Path) -> dict[str, str]:
    """Of a service, with the secrets in URL files."""
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    for name, url in (("redis", urls.redis()), ("postgres", urls.postgres())):
        (tmp_path / f"{name}.url").write_text(f"{url}\n")
    return {
        **base_environment(dumps),
        **LOUD,
        "REDIS_URL_FILE": str(tmp_path / "redis.url"),
        "POSTGRES_URL_FILE": str(tmp_path / "postgres.url"),
        "REDIS_TELEMETRY_STREAM": servers.stream,
    }


def in_place_of_files(environment: dict[str, str], **changes: str) -> dict[str, str]:
    """The environment with these URLs as variables."""
    kept = {name: value for name, value in environment.items() if name[:-5] not in changes}
    return {**kept, **changes}


def command(environment: dict[str, str], *words: str) -> Iterator[tuple[str, str]]:
    """What a command says."""
    ended = subprocess.run(
        [PROCESSOR, *words],
        env=environment,
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    yield f"{' '.join(words)} ({ended.returncode})", (ended.stdout + ended.stderr).decode()


COMMANDS = (
    ("instances", "--json"),
    ("device", "show", IMEI),
    ("config",),
    ("status",),
    ("publish", __file__),
)


def server_logs(
    redis_server: RedisServer, postgres_server: PostgresServer
) -> Iterator[tuple[str, str]]:
    for server in (redis_server, postgres_server):
        yield str(server.process.log), server.process.log.read_text(errors="replace")


def test_a_running_service_its_dump_and_its_end_show_no_secret(
    environment: dict[str, str],
    servers: Servers,
    redis_server: RedisServer,
    postgres_server: PostgresServer,
    tmp_path: Path,
) -> None:
    service = Service(environment, tmp_path / "stderr")
    dumps = tmp_path / "dumps"
    try:
        service.ready()
        entries = drive(50)
        entries[3] = {**entries[3], "payload": "no json"}
        servers.publish(entries)
        servers.until_rows(49)
        # A failure of each kind in the middle of it.
        with servers.owner() as owner:
            owner.execute(
                "SELECT pg_terminate_backend(pid), application_name FROM pg_stat_activity WHERE usename = %s",
                [USER],
            )
            seen = owner.execute("SELECT application_name, query FROM pg_stat_activity").fetchall()
        assert_kept([("pg_stat_activity", str(seen))])
        for client in servers.redis.client_list():
            if client["user"] == USER:
                servers.redis.client_kill_filter(_id=client["id"])
        service.until_ready_again()
        for words in (*COMMANDS, ("dump",)):
            assert_kept(command(environment, *words))
        assert len(list(dumps_in(dumps))) == 1
        assert_kept(shown_by(service))
        assert_kept(shown_by_redis(servers.redis))
        assert service.stop() == 0
    finally:
        service.kill()
    assert_kept(said_by(service, dumps))
    assert_kept(server_logs(redis_server, postgres_server))


def test_a_crash_writes_a_dump_for_its_owner_alone_and_without_a_secret(
    environment: dict[str, str], servers: Servers, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SITECUSTOMIZE)
    crashing = {**environment, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    service = Service(crashing, tmp_path / "stderr")
    try:
        service.ready()
        servers.publish(drive(10))
        assert service.wait() == 1
    finally:
        service.kill()
    [dump] = (tmp_path / "dumps").glob("*.json")
    assert stat.S_IMODE(dump.stat().st_mode) == 0o600
    assert_kept(said_by(service, tmp_path / "dumps"))
    assert_kept(command(environment, "panic", "show", str(dump)))


def test_a_drain_that_ends_undecided_shows_no_secret(
    environment: dict[str, str], servers: Servers, tmp_path: Path
) -> None:
    service = Service({**environment, "DRAIN_BUDGET_MS": "600"}, tmp_path / "stderr")
    try:
        service.ready()
        with servers.inserts_held():
            servers.publish(drive(10))
            servers.until_writers_wait(by=USER)
            assert service.stop() == 3
    finally:
        service.kill()
    assert_kept(said_by(service, tmp_path / "dumps"))


URL = f"postgresql://u:{POSTGRES_CORE}@h/d?password={POSTGRES_CORE}&sslpassword={REDIS_CORE}"
# Each takes any text, and most are shown in each log line.
NAMES = (
    "INSTANCE_ID", "REDIS_TELEMETRY_STREAM", "REDIS_CONSUMER_GROUP", "REDIS_CONSUMER_NAME", "REDIS_DLQ_STREAM",
    "REDIS_CONTROL_CHANNEL", "METRICS_HOST", "PANIC_DUMP_DIR",
)  # fmt: skip
OTHERS = (
    "LOG_LEVEL",
    "LOG_FORMAT",
    "BATCH_SIZE",
    "METRICS_PORT",
    "REDIS_URL_FILE",
    "POSTGRES_URL_FILE",
)


FAILURES: dict[str, tuple[int, Callable[[SecretUrls, int], dict[str, str]]]] = {
    "wrong password, Redis": (4, lambda urls, _: {"REDIS_URL": urls.redis(wrong="x")}),
    "wrong password, PostgreSQL": (4, lambda urls, _: {"POSTGRES_URL": urls.postgres(wrong="x")}),
    "away, Redis": (4, lambda urls, port: {"REDIS_URL": urls.redis(place=f"{HOST}:{port}")}),
    "away, PostgreSQL": (
        4,
        lambda urls, port: {"POSTGRES_URL": urls.postgres(place=f"{HOST}:{port}/d")},
    ),
    "no TLS, PostgreSQL": (
        4,
        lambda urls, _: {"POSTGRES_URL": urls.postgres(options="&sslmode=require")},
    ),
    "unknown options": (
        78,
        lambda urls, _: {
            "REDIS_URL": f"{urls.redis()}?ssl_password={REDIS_CORE}",
            "POSTGRES_URL": urls.postgres(options=f"&pasword={POSTGRES_CORE}"),
        },
    ),
    "not encoded": (
        78,
        lambda urls, _: {
            "REDIS_URL": f"redis://u:{REDIS_PASSWORD}@{urls.redis_place}",
            "POSTGRES_URL": f"postgresql://u:{POSTGRES_PASSWORD}@{urls.postgres_place}",
        },
    ),
    "exchanged": (
        78,
        lambda urls, _: {"REDIS_URL": urls.postgres(), "POSTGRES_URL": urls.redis()},
    ),
    "in names": (78, lambda *_: dict.fromkeys(NAMES, URL)),
    "in other variables": (78, lambda *_: dict.fromkeys(OTHERS, URL)),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_start_that_fails_shows_no_secret(
    environment: dict[str, str], urls: SecretUrls, tmp_path: Path, failure: str
) -> None:
    code, changes = FAILURES[failure]
    wrong = in_place_of_files(environment, **changes(urls, free_port()))
    service = Service(wrong, tmp_path / "stderr")
    try:
        assert service.wait() == code, service.report()
    finally:
        service.kill()
    assert_kept(said_by(service, tmp_path / "dumps"))
    assert_kept(command(wrong, *(("device", "show", IMEI) if code == 4 else ("config",))))
