"""The launchers: servers that start, are frozen or killed, end, and leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dev.servers import (
    Choice,
    Database,
    Kind,
    PostgresBinaries,
    PostgresServer,
    RedisServer,
    ServerError,
    find_postgres,
    find_redis,
    guarded,
    launch_postgres,
    launch_redis,
)
from dev.servers.account import Account
from dev.servers.guard import wait_for_end
from dev.servers.guarded import guarded_directory, temp_root

CHECKOUT = Path(__file__).parents[2]

# Starts both servers, prints "<pid> <directory>" of each, and then waits to be ended.
LAUNCHER = """
import signal
from dev.servers import *
with launch_redis(find_redis()) as r, launch_postgres(find_postgres()) as p:
    for server in (r, p):
        print(server.process.pid, server.process.directory.path, flush=True)
    signal.pause()
"""


def impatient(server: RedisServer) -> redis.Redis:
    """A client that gives up at once instead of trying again."""
    return redis.Redis.from_url(server.admin_url, socket_timeout=0.2, retry=Retry(NoBackoff(), 0))


def test_a_redis_server_answers_at_both_its_urls(redis_server: RedisServer) -> None:
    for url in (redis_server.processor_url, redis_server.unix_url):
        with redis.Redis.from_url(url) as client:
            assert client.ping()


def test_a_killed_redis_comes_back_on_its_port_with_what_it_had_answered(
    redis_server: RedisServer, stream_name: str
) -> None:
    with impatient(redis_server) as client:
        client.set(stream_name, b"kept")
        redis_server.process.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        redis_server.process.start()
        assert client.get(stream_name) == b"kept"


def test_a_frozen_redis_keeps_its_port_but_answers_only_when_thawed(
    redis_server: RedisServer,
    stream_name: str,  # noqa: ARG001  # puts the server right afterwards
) -> None:
    with impatient(redis_server) as client:
        redis_server.process.freeze()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        redis_server.process.thaw()
        assert client.ping()


def test_a_killed_postgres_comes_back_on_its_port_with_what_was_committed(
    postgres_server: PostgresServer, database: Database
) -> None:
    with psycopg.connect(database.admin_url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
    postgres_server.process.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(database.admin_url)
    postgres_server.process.start()
    with psycopg.connect(database.admin_url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_freezing_postgres_freezes_the_sessions_that_are_open(
    postgres_server: PostgresServer, database: Database
) -> None:
    with contextlib.closing(psycopg.connect(database.processor_url)) as connection:
        postgres_server.process.freeze()
        connection.pgconn.send_query(b"SELECT 1")
        assert select.select([connection.pgconn.socket], [], [], 0.2)[0] == []
        postgres_server.process.thaw()
        assert select.select([connection.pgconn.socket], [], [], 10)[0] != []


def test_a_stopped_server_can_be_restarted_and_says_so_meanwhile(
    redis_server: RedisServer, stream_name: str
) -> None:
    first = redis_server.process.pid
    redis_server.process.stop()
    with pytest.raises(ServerError, match="-server is stopped"):
        _ = redis_server.process.pid
    redis_server.process.restart()
    assert redis_server.process.pid != first
    with impatient(redis_server) as client:
        assert client.exists(stream_name) == 0


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_servers_and_directories_go_when_their_launcher_is_ended_by(ending: signal.Signals) -> None:
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert launcher.stdout is not None
    lines = [launcher.stdout.readline().split() for _ in range(2)]
    pidfds = [os.pidfd_open(int(pid)) for pid, _ in lines]
    directories = [Path(directory) for _, directory in lines]
    assert all(directory.is_dir() for directory in directories)

    launcher.send_signal(ending)

    launcher.communicate(timeout=60)
    assert [wait_for_end(pidfd) for pidfd in pidfds] == [True, True]
    assert [wait_for_guard(directory) for directory in directories] == [True, True]
    assert [directory for directory in directories if directory.exists()] == []
    for pidfd in pidfds:
        os.close(pidfd)


def wait_for_guard(directory: Path) -> bool:
    """Wait for the guard of `directory`, if it is still there: removing it is the last thing that it does."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if str(directory) in process.cmdline():
                pidfd = os.pidfd_open(process.pid)
                with os.fdopen(pidfd):
                    return wait_for_end(pidfd)
    return True


def test_a_ctrl_c_while_a_guard_is_started_leaves_no_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    def root_and_interrupt(account: Account) -> Path:
        signal.raise_signal(signal.SIGINT)
        return temp_root(account)

    monkeypatch.setattr(guarded, "temp_root", root_and_interrupt)
    before = psutil.Process().children()
    with (
        pytest.raises(KeyboardInterrupt),
        guarded_directory("interrupted", last_signal=signal.SIGKILL) as directory,
    ):
        pytest.fail(f"the interrupt was swallowed, and {directory} made")
    assert psutil.Process().children() == before


def test_ctrl_c_does_not_reach_the_servers(
    redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    for server in (redis_server, postgres_server):
        assert os.getsid(server.process.pid) == server.process.pid != os.getsid(0)


# Answers `--bindir`, `--sharedir` and `--pkglibdir` as the directory that it stands in has them.
PG_CONFIG = """#!/bin/sh
root=$(dirname "$(dirname "$(realpath "$0")")")
for option in "$@"; do
    case $option in
        --bindir) echo "$root/bin" ;;
        --sharedir) echo "$root/share" ;;
        --pkglibdir) echo "$root/lib" ;;
    esac
done
"""


@pytest.fixture
def pretended_postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of PostgreSQL 17.2 that the machine's owner has put first in the PATH."""
    programs = {
        "pg_config": PG_CONFIG,
        "postgres": "#!/bin/sh\necho 'postgres (PostgreSQL) 17.2'\n",
        "initdb": "#!/bin/sh\n",
    }
    for directory in ("bin", "lib", "share/extension"):
        (tmp_path / directory).mkdir(parents=True)
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    return tmp_path


@pytest.mark.parametrize(
    ("files", "extension"),
    [
        ([], "without TimescaleDB"),
        (["lib/timescaledb.so"], "without TimescaleDB"),
        (["share/extension/timescaledb.control"], "without TimescaleDB"),
        (["lib/timescaledb.so", "share/extension/timescaledb.control"], "TimescaleDB 2.28.3"),
    ],
)
def test_an_installation_has_timescaledb_if_library_and_control_file_are_there(
    pretended_postgres: Path, files: list[str], extension: str
) -> None:
    for name in files:
        (pretended_postgres / name).write_text(
            "comment = 'time series'\ndefault_version = '2.28.3'\n"
        )
    assert str(find_postgres(Choice.MACHINE)) == f"PostgreSQL 17.2 (machine, {extension})"


@pytest.fixture
def private_postgres(tmp_path: Path) -> PostgresBinaries:
    """The embedded installation, by a path that other users may not follow."""
    found = find_postgres(Choice.EMBEDDED)
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    package = found.bin_dir.parents[1]
    for directory in (package, package.with_name(f"{package.name}.libs")):
        (private / directory.name).symlink_to(directory)
    return replace(found, bin_dir=private / package.name / "pginstall" / "bin")


def test_postgres_runs_from_a_checkout_where_other_users_may_not_look(
    private_postgres: PostgresBinaries,
) -> None:
    with (
        launch_postgres(private_postgres) as server,
        psycopg.connect(server.admin_url) as connection,
    ):
        assert connection.info.parameter_status("server_version") == private_postgres.version


def test_the_embedded_redis_is_an_equal() -> None:
    with launch_redis(find_redis(Choice.EMBEDDED)) as server, impatient(server) as client:
        assert server.kind is Kind.EMBEDDED
        assert client.info("server")["valkey_version"] == server.version


def test_a_server_that_cannot_start_shows_the_end_of_its_log() -> None:
    with (
        pytest.raises(ServerError, match="maxmemory-nonsense"),
        launch_redis(find_redis(), extra_args=["--maxmemory-nonsense", "1"]),
    ):
        pass


def test_postgres_refuses_a_wrong_password(database: Database) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(database.processor_url, password="wrong")
