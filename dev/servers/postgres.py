"""Launches a PostgreSQL server, as root too: then it runs as an unprivileged user, as PostgreSQL demands."""

from __future__ import annotations

import contextlib
import secrets
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from dev.servers.account import unprivileged
from dev.servers.errors import ServerError, log_tail
from dev.servers.guarded import guarded_directory
from dev.servers.ports import HOST, free_port
from dev.servers.process import ServerProcess
from dev.servers.relocate import reachable_binaries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from dev.servers.account import Account
    from dev.servers.binaries import PostgresBinaries
    from dev.servers.guarded import GuardedDirectory

ADMIN = "directus"
MAINTENANCE_DATABASE = "postgres"
PROBE_TIMEOUT_S = 2
INITDB_BOUND_S = 120.0
PRELOAD_TIMESCALEDB = {
    "shared_preload_libraries": "timescaledb",
    # It would report each of these servers to its makers.
    "timescaledb.telemetry_level": "off",
}


@dataclass(frozen=True)
class Database:
    """One database of a server: its URL for the owner of the schema, and for the role `processor`."""

    name: str
    admin_url: str = field(repr=False)
    processor_url: str = field(repr=False)


@dataclass(frozen=True)
class PostgresServer:
    """A running server; `process` stops, kills, freezes and restarts it."""

    host: str
    port: int
    socket_dir: Path
    binaries: PostgresBinaries
    data_dir: Path
    bin_dir: Path
    process: ServerProcess
    admin_password: str = field(repr=False)
    processor_password: str = field(repr=False)

    @property
    def admin_url(self) -> str:
        """The owner's URL for the maintenance database, from which others are created and dropped."""
        return self.database(MAINTENANCE_DATABASE).admin_url

    def database(self, name: str) -> Database:
        """The URLs of database `name`, which need not be there yet."""
        place = f"{self.host}:{self.port}/{name}"
        return Database(
            name=name,
            admin_url=f"postgresql://{ADMIN}:{self.admin_password}@{place}",
            processor_url=f"postgresql://processor:{self.processor_password}@{place}",
        )


@contextlib.contextmanager
def launch_postgres(
    binaries: PostgresBinaries,
    *,
    durable: bool = False,
    settings: Mapping[str, str] | None = None,
    root_runs_as: str = "nobody",
) -> Iterator[PostgresServer]:
    """Make a new cluster and run it on a free port until the block ends.

    `durable` leaves fsync on, as in production; without it a commit is faster and survives a killed
    server, but not a power cut. TimescaleDB is preloaded where the installation has it. `settings` are
    added to the configuration and override those that are set here.
    Connections need a password. Raises ServerError if the server does not answer.
    """
    account = unprivileged(root_runs_as)
    with guarded_directory("postgres", last_signal=signal.SIGQUIT, account=account) as directory:
        bin_dir = reachable_binaries(binaries.bin_dir, account, directory.path)
        password = secrets.token_urlsafe(12)
        data_dir = _init_cluster(bin_dir, account, directory, password)
        socket_dir = account.make_directory(directory.path / "run")
        port = free_port()
        options = _options(port, socket_dir, durable=durable)
        options |= PRELOAD_TIMESCALEDB if binaries.timescaledb else {}
        options |= settings or {}
        process = ServerProcess(
            name="PostgreSQL",
            argv=[
                bin_dir / "postgres",
                "-D",
                data_dir,
                *(f"--{k}={v}" for k, v in options.items()),
            ],
            directory=directory,
            log=directory.path / "postgres.log",
            stop_signal=signal.SIGINT,  # "fast": ends the sessions, keeps the data
            answers=lambda: answers(server.admin_url),
            account=account,
            env=_environment(),
        )
        server = PostgresServer(
            host=HOST,
            port=port,
            socket_dir=socket_dir,
            binaries=binaries,
            data_dir=data_dir,
            bin_dir=bin_dir,
            process=process,
            admin_password=password,
            processor_password=secrets.token_urlsafe(12),
        )
        try:
            process.start()
            yield server
        finally:
            process.stop()


def _init_cluster(
    bin_dir: Path, account: Account, directory: GuardedDirectory, password: str
) -> Path:
    """Run initdb in `directory`; returns the data directory."""
    data_dir = account.make_directory(directory.path / "data")
    password_file = account.write_file(directory.path / "password", password)
    log = directory.path / "initdb.log"
    initdb = directory.spawn(
        [
            bin_dir / "initdb",
            f"--pgdata={data_dir}",
            f"--username={ADMIN}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ],
        log=log,
        account=account,
        env=_environment(),
    )
    if initdb.wait(INITDB_BOUND_S) != 0:
        raise ServerError(f"initdb of {bin_dir} failed:\n{log_tail(log)}")
    password_file.unlink()
    return data_dir


def _options(port: int, socket_dir: Path, *, durable: bool) -> dict[str, str]:
    switch = "on" if durable else "off"
    return {
        "listen_addresses": HOST,
        "port": str(port),
        "unix_socket_directories": str(socket_dir),
        "fsync": switch,
        "full_page_writes": switch,
        "max_connections": "100",
        "shared_buffers": "128MB",
        # Its default on Linux: /dev/shm, which containers make as small as 64 MB.
        "dynamic_shared_memory_type": "mmap",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "lc_messages": "C",
    }


def _environment() -> dict[str, str]:
    """Nothing from the caller: a PGDATA or a locale of the developer must not reach the server."""
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def answers(url: str) -> bool:
    """Whether a PostgreSQL, or a pooler before one, accepts a connection."""
    try:
        psycopg.connect(url, connect_timeout=PROBE_TIMEOUT_S).close()
    except psycopg.OperationalError:
        return False
    return True
