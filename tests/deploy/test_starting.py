"""The scripts that start Redis and the stand-in for Directus in the deployment, on real servers."""

from __future__ import annotations

import shutil
import signal
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dev.servers import launch_postgres
from dev.servers.guarded import guarded_directory
from dev.servers.ports import HOST, free_port
from dev.servers.process import ServerProcess
from tests.support.processes import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.servers import PostgresBinaries, PostgresServer, RedisBinary

DEPLOY = Path(__file__).parents[2] / "deploy"
USERS = """\
# A comment.
user default on nopass -@all +ping

user processor on ~telemetry:* -@all +xlen
user operator on ~telemetry:* -@all +xadd +multi +exec
"""


def secrets_made(directory: Path) -> dict[str, str]:
    subprocess.run([DEPLOY / "make-secrets", directory], check=True, capture_output=True)
    return {path.name: path.read_text().strip() for path in directory.iterdir()}


def test_secrets_are_made_once_and_others_are_kept_out(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    first = secrets_made(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o444}
    assert secrets_made(directory) == first
    assert first["postgres_processor_password"] in first["postgres_url"]
    assert secrets_made(tmp_path / "others").items() & first.items() == set()


@dataclass(frozen=True)
class Started:
    """A Redis that the script has started."""

    port: int
    process: ServerProcess
    users: Path

    def client(self, name: str, password: str) -> redis.Redis:
        return redis.Redis(
            host=HOST, port=self.port, username=name, password=password, retry=Retry(NoBackoff(), 0)
        )


@pytest.fixture(scope="module")
def started(redis_binary: RedisBinary) -> Iterator[Started]:
    """The secret has passwords for two users, and users.acl three."""
    port = free_port()
    with guarded_directory("redis", last_signal=signal.SIGKILL) as directory:
        shutil.copy(DEPLOY / "redis/start", directory.path)
        (directory.path / "users.acl").write_text(USERS + "user nobody on ~* +@all\n")
        secret = directory.path / "passwords"
        secret.write_text("processor one-pass\noperator other-pass\n")
        binaries = directory.path / "bin"
        binaries.mkdir()
        (binaries / "redis-server").symlink_to(redis_binary.path)
        run = directory.path / "run"
        run.mkdir()
        process = ServerProcess(
            name="Redis",
            argv=[
                "sh",
                directory.path / "start",
                "--port",
                str(port),
                "--bind",
                HOST,
                "--save",
                "",
            ],
            directory=directory,
            log=directory.path / "redis.log",
            stop_signal=signal.SIGTERM,
            answers=lambda: refuses(port),
            env={
                "PATH": f"{binaries}:/usr/bin:/bin",
                "REDIS_RUN_DIR": str(run),
                "REDIS_PASSWORDS_FILE": str(secret),
            },
        )
        process.start()
        try:
            yield Started(port, process, run / "users.acl")
        finally:
            process.stop()


def refuses(port: int) -> bool:
    """As the container's health check asks: without a login Redis refuses, once it has its data."""
    with redis.Redis(host=HOST, port=port, protocol=2) as client:
        try:
            client.ping()
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False
    return False


def test_redis_takes_each_user_with_the_password_of_the_secret(started: Started) -> None:
    with started.client("operator", "other-pass") as operator:
        operator.xadd("telemetry:x", {"a": "b"})
    with started.client("processor", "one-pass") as processor:
        assert processor.xlen("telemetry:x") == 1
        with pytest.raises(redis.exceptions.NoPermissionError):
            processor.xadd("telemetry:x", {"a": "b"})


@pytest.mark.parametrize(
    ("name", "password"),
    [("processor", "other-pass"), ("processor", ""), ("nobody", ""), ("nobody", "one-pass")],
)
def test_redis_refuses_everybody_else(started: Started, name: str, password: str) -> None:
    with (
        started.client(name, password) as refused,
        pytest.raises((redis.AuthenticationError, redis.exceptions.NoPermissionError)),
    ):
        refused.xlen("telemetry:x")


def test_redis_is_given_no_password_in_clear(started: Started) -> None:
    users = started.users.read_text()
    assert users.count("#") == 2
    assert "-pass" not in users


def test_redis_has_everything_again_after_a_restart(started: Started) -> None:
    with started.client("operator", "other-pass") as operator, operator.pipeline() as transaction:
        for _ in range(3):
            transaction.xadd("telemetry:kept", {"a": "b"})
        transaction.execute()
    started.process.restart()
    with started.client("processor", "one-pass") as processor:
        assert processor.xlen("telemetry:kept") == 3


@pytest.fixture
def owned(
    postgres_binaries: PostgresBinaries, tmp_path: Path
) -> Iterator[tuple[PostgresServer, dict[str, str]]]:
    """A server of the test's own that logs every statement, and the script's environment for it."""
    with launch_postgres(postgres_binaries, settings={"log_statement": "all"}) as server:
        (tmp_path / "owner").write_text(server.admin_password)
        (tmp_path / "processor").write_text("it's a \\ secret")
        yield (
            server,
            {
                "PATH": f"{server.bin_dir}:/usr/bin:/bin",
                "PGHOST": HOST,
                "PGPORT": str(server.port),
                "PGUSER": "directus",
                "PGDATABASE": "postgres",
                "READY": str(tmp_path / "ready"),
                "OWNER_PASSWORD_FILE": str(tmp_path / "owner"),
                "PROCESSOR_PASSWORD_FILE": str(tmp_path / "processor"),
            },
        )


def test_directus_applies_its_files_sets_the_password_and_is_healthy(
    owned: tuple[PostgresServer, dict[str, str]], tmp_path: Path
) -> None:
    server, environment = owned
    (tmp_path / "1.sql").write_text("CREATE TABLE IF NOT EXISTS first (a int);")
    (tmp_path / "2.sql").write_text(
        "DO $$ BEGIN CREATE ROLE processor LOGIN; EXCEPTION WHEN duplicate_object THEN END $$;"
    )
    for _ in range(2):  # the second time it does no harm
        with subprocess.Popen(
            [DEPLOY / "directus/start", tmp_path / "1.sql", tmp_path / "2.sql"], env=environment
        ) as running:
            until(Path(environment["READY"]).exists, "it is healthy")
            with psycopg.connect(
                host=HOST,
                port=server.port,
                dbname="postgres",
                user="processor",
                password="it's a \\ secret",
            ) as processor:
                assert processor.execute("SELECT to_regclass('first')").fetchone() == ("first",)
            running.terminate()
        assert running.returncode == 0
        Path(environment["READY"]).unlink()
    log = server.process.log.read_text()
    assert "CREATE TABLE IF NOT EXISTS first" in log
    assert "ALTER ROLE" not in log
    assert "secret" not in log


def test_directus_is_never_healthy_when_a_file_fails(
    owned: tuple[PostgresServer, dict[str, str]], tmp_path: Path
) -> None:
    _, environment = owned
    (tmp_path / "1.sql").write_text("CREATE TABLE half (a int); SELECT 1/0;")
    ended = subprocess.run(
        [DEPLOY / "directus/start", tmp_path / "1.sql"],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert ended.returncode != 0
    assert b"division by zero" in ended.stderr
    assert not Path(environment["READY"]).exists()
