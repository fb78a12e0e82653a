"""Launches PgBouncer before a running PostgreSQL."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dev.servers.guarded import guarded_directory
from dev.servers.ports import HOST, free_port
from dev.servers.postgres import ADMIN, Database, answers
from dev.servers.process import ServerProcess
from dev.servers.programs import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from dev.servers.postgres import PostgresServer

# Its administration database, which it answers without asking any server.
CONSOLE = "pgbouncer"


@dataclass(frozen=True)
class Pooler:
    """A running PgBouncer; `process` stops, freezes and restarts it."""

    port: int
    process: ServerProcess
    _server: PostgresServer = field(repr=False)

    @property
    def console_url(self) -> str:
        """The URL of its console, for SHOW, PAUSE, KILL and the like."""
        return self.database(CONSOLE).admin_url

    def database(self, name: str) -> Database:
        """The URLs by which database `name` of its server is reached through it."""
        direct = self._server.database(name)
        place, behind = f"{HOST}:{self._server.port}/", f"{HOST}:{self.port}/"
        return Database(
            name,
            direct.admin_url.replace(place, behind),
            direct.processor_url.replace(place, behind),
        )


@contextlib.contextmanager
def launch_pgbouncer(
    server: PostgresServer, *, pool_mode: str, settings: Mapping[str, str] | None = None
) -> Iterator[Pooler]:
    """Pool `server`'s connections on a free port until the block ends.

    `pool_mode` is session, transaction or statement; `settings` are of its section [pgbouncer] and
    override those that are set here. Raises ServerError if it is not installed or does not answer.
    """
    program = find_program("pgbouncer")
    account = server.process.account
    with guarded_directory("pgbouncer", last_signal=signal.SIGKILL, account=account) as directory:
        port = free_port()
        user_file = account.write_file(directory.path / "users", _users(server))
        options = {
            **_options(port, user_file),
            "pool_mode": pool_mode,
            **(settings or {}),
        }
        configuration = account.write_file(directory.path / "ini", _configuration(server, options))
        process = ServerProcess(
            name="PgBouncer",
            argv=[program, configuration],
            directory=directory,
            log=directory.path / "pgbouncer.log",
            stop_signal=signal.SIGTERM,
            answers=lambda: answers(pooler.console_url),
            account=account,
        )
        pooler = Pooler(port, process, server)
        try:
            process.start()
            yield pooler
        finally:
            process.stop()


def _users(server: PostgresServer) -> str:
    users = {ADMIN: server.admin_password, "processor": server.processor_password}
    return "".join(f'"{name}" "{word}"\n' for name, word in users.items())


def _options(port: int, user_file: Path) -> dict[str, str]:
    return {
        "listen_addr": HOST,
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": str(user_file),
        "admin_users": ADMIN,
        "server_login_retry": "1",
    }


def _configuration(server: PostgresServer, options: Mapping[str, str]) -> str:
    lines = [
        "[databases]",
        f"* = host={server.host} port={server.port}",
        "[pgbouncer]",
        *(f"{name} = {value}" for name, value in options.items()),
    ]
    return "\n".join(lines) + "\n"
