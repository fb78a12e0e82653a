"""Launches a standby of a running PostgreSQL, by streaming replication."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg

from dev.servers.errors import ServerError, log_tail
from dev.servers.guarded import guarded_directory
from dev.servers.polling import poll
from dev.servers.ports import free_port
from dev.servers.postgres import answers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dev.servers.guarded import GuardedDirectory
    from dev.servers.postgres import PostgresServer

STANDBY_NAME = "standby"
COPY_BOUND_S = 60.0


@contextlib.contextmanager
def launch_standby(
    primary: PostgresServer, *, through_port: int | None = None
) -> Iterator[PostgresServer]:
    """Copy the running `primary` and follow it, on a free port, until the block ends.

    `through_port` is the port of a relay which the replication goes through. Roles, passwords and
    settings are the primary's. No commit waits for the standby before `require_standby`.
    Raises ServerError if the copy cannot be made or the standby does not answer.
    """
    account = primary.process.account
    with guarded_directory(STANDBY_NAME, last_signal=signal.SIGQUIT, account=account) as directory:
        data_dir = account.make_directory(directory.path / "data")
        socket_dir = account.make_directory(directory.path / "run")
        port = free_port()
        _copy(primary, through_port or primary.port, directory, data_dir)
        process = replace(
            primary.process,
            name="the standby",
            # PostgreSQL takes the last of an option that is given twice.
            argv=[
                *primary.process.argv,
                "-D",
                data_dir,
                f"--port={port}",
                f"--unix_socket_directories={socket_dir}",
            ],
            directory=directory,
            log=directory.path / "postgres.log",
            answers=lambda: answers(standby.admin_url),
        )
        standby = replace(
            primary, port=port, socket_dir=socket_dir, data_dir=data_dir, process=process
        )
        try:
            process.start()
            yield standby
        finally:
            process.kill()


def require_standby(primary: PostgresServer) -> None:
    """Make each commit of `primary` wait for the standby, which has to be connected."""
    _set(primary, f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY_NAME}'")
    with psycopg.connect(primary.admin_url, autocommit=True) as owner:
        # By the server's own view; there is only this standby.
        states = "SELECT sync_state FROM pg_stat_replication"
        poll(lambda: owner.execute(states).fetchall() == [("sync",)], "the standby is synchronous")


def dispense_with_standby(primary: PostgresServer) -> None:
    """Let no commit of `primary` wait any longer, as its owner would when the standby is lost."""
    _set(primary, "ALTER SYSTEM RESET synchronous_standby_names")


def promote(standby: PostgresServer) -> None:
    """Make the standby a primary, with the data that it has received. Returns when it accepts writes."""
    with psycopg.connect(standby.admin_url, autocommit=True) as owner:
        [promoted] = owner.execute("SELECT pg_promote()").fetchone() or (False,)
    if not promoted:
        raise ServerError("the standby was not promoted in time")


def _set(server: PostgresServer, statement: str) -> None:
    with psycopg.connect(server.admin_url, autocommit=True) as owner:
        owner.execute(statement.encode())
        owner.execute("SELECT pg_reload_conf()")


def _copy(primary: PostgresServer, port: int, directory: GuardedDirectory, data_dir: Path) -> None:
    """Take a base backup of `primary` that starts as a standby, and finds it by the same `port`."""
    source = replace(primary, port=port)
    log = directory.path / "basebackup.log"
    copying = directory.spawn(
        [
            primary.bin_dir / "pg_basebackup",
            f"--pgdata={data_dir}",
            f"--dbname={source.admin_url}?application_name={STANDBY_NAME}",
            "--write-recovery-conf",
            "--wal-method=stream",
            "--checkpoint=fast",
            "--no-sync",
        ],
        log=log,
        account=primary.process.account,
        env=primary.process.env,
    )
    if copying.wait(COPY_BOUND_S) != 0:
        raise ServerError(f"pg_basebackup failed:\n{log_tail(log)}")
