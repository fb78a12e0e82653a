"""Launches a Redis-compatible server."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dev.servers.errors import ServerError
from dev.servers.guarded import guarded_directory
from dev.servers.polling import poll
from dev.servers.ports import HOST, free_port
from dev.servers.process import ServerProcess
from dev.servers.redis_users import (
    ADMIN,
    DRILL,
    INGESTION,
    OPERATOR,
    PASSWORD,
    PROCESSOR,
    Denials,
    login,
    redis_url,
    write_users,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dev.servers.binaries import Kind, RedisBinary

PROBE_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class RedisServer:
    """A running server; `process` stops, kills, freezes and restarts it."""

    host: str
    port: int
    unix_socket: Path
    product: str
    version: str
    kind: Kind
    data_dir: Path
    process: ServerProcess
    denials: Denials

    @property
    def admin_url(self) -> str:
        """For whoever sets up and looks at the server: a test itself."""
        return redis_url(ADMIN, self.port)

    @property
    def processor_url(self) -> str:
        """For the service."""
        return redis_url(PROCESSOR, self.port)

    @property
    def ingestion_url(self) -> str:
        """For tcp-ingestion."""
        return redis_url(INGESTION, self.port)

    @property
    def operator_url(self) -> str:
        """For the operators' commands."""
        return redis_url(OPERATOR, self.port)

    @property
    def unix_url(self) -> str:
        """For the service, by the server's Unix socket."""
        return f"unix://{login(PROCESSOR)}@{self.unix_socket}"

    @contextlib.contextmanager
    def denials_intended(self) -> Iterator[None]:
        """Have what is refused until the end of the block count as what a test wants."""
        self.denials.note()
        try:
            yield
        finally:
            self.denials.forget()

    @property
    def drill_url(self) -> str:
        """For what a drill itself makes, looks at and removes."""
        return redis_url(DRILL, self.port)

    def follow(self, primary: RedisServer) -> None:
        """Become a replica of `primary`; returns when it has all that `primary` had by then."""
        with _client(self.unix_socket) as own, _client(primary.unix_socket) as other:
            own.replicaof(primary.host, str(primary.port))
            poll(
                lambda: own.info("replication")["master_link_status"] == "up", "the replica is fed"
            )
            goal = other.info("replication")["master_repl_offset"]
            poll(lambda: own.info("replication")["slave_repl_offset"] >= goal, "it is up to date")
            # A server refuses to stop until its first append-only file is complete, and may not have begun it yet.
            poll(lambda: not _is_rewriting(own), "it is on disk")

    def lead(self) -> None:
        """Stop being a replica, and accept writes."""
        with _client(self.unix_socket) as own:
            own.replicaof("NO", "ONE")


def _is_rewriting(server: redis.Redis) -> bool:
    persistence = server.info("persistence")
    return bool(persistence["aof_rewrite_in_progress"] or persistence["aof_rewrite_scheduled"])


@contextlib.contextmanager
def launch_redis(
    binary: RedisBinary,
    *,
    durable: bool = False,
    users: bool = True,
    extra_args: Sequence[str] = (),
) -> Iterator[RedisServer]:
    """Run `binary` on a free port until the block ends, with the users that the project deploys.

    The append-only file is always written, so that a killed server comes back with what it had answered;
    `durable` also has it synced every second. `extra_args` go to the server's command line. Without `users` it is open
    to everybody. Raises ServerError if the server does not answer, and at the end of the block if it has refused a
    deployed user what no test wants to be refused.
    """
    with guarded_directory("redis", last_signal=signal.SIGKILL) as directory:
        data_dir = directory.path / "data"
        data_dir.mkdir(mode=0o700)
        port, unix_socket = free_port(), directory.path / "redis.sock"
        settings = write_users(directory.path) if users else None
        denials = Denials(lambda: _client(unix_socket))
        process = ServerProcess(
            name=binary.product,
            argv=[
                binary.path,
                *([settings] if settings else []),
                *_arguments(port, unix_socket, data_dir, durable=durable),
                *extra_args,
            ],
            directory=directory,
            log=directory.path / "redis.log",
            stop_signal=signal.SIGTERM,
            answers=lambda: _answers(unix_socket),
            before_end=denials.note if users else None,
        )
        try:
            process.start()
            yield RedisServer(
                host=HOST,
                port=port,
                unix_socket=unix_socket,
                product=binary.product,
                version=binary.version,
                kind=binary.kind,
                data_dir=data_dir,
                process=process,
                denials=denials,
            )
            if users and (refused := denials.take()):
                raise ServerError(f"{binary.product} had to refuse: {'; '.join(refused)}")
        finally:
            process.stop()


def _arguments(port: int, unix_socket: Path, data_dir: Path, *, durable: bool) -> list[str]:
    settings = {
        "bind": HOST,
        "port": str(port),
        "unixsocket": str(unix_socket),
        "dir": str(data_dir),
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec" if durable else "no",
        # Send a replica its data at once: by default the server waits for further replicas.
        "repl-diskless-sync-delay": "0",
        # Tests use DEBUG, which stays closed to other machines.
        "enable-debug-command": "local",
    }
    return [word for name, value in settings.items() for word in (f"--{name}", value)]


def _client(unix_socket: Path) -> redis.Redis:
    return redis.Redis(
        unix_socket_path=str(unix_socket),
        username=ADMIN,
        password=PASSWORD,
        socket_timeout=PROBE_TIMEOUT_S,
        protocol=2,  # a test may have taken HELLO from its server
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


def _answers(unix_socket: Path) -> bool:
    with contextlib.closing(_client(unix_socket)) as client:
        try:
            client.ping()
        except redis.AuthenticationError:
            return True  # it answers, with other users than ours
        except (redis.ConnectionError, redis.TimeoutError):
            return False
    return True
