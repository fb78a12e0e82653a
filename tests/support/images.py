"""Servers from images, in the place of the machine's own: `make test-images` runs the contract tests on them.

Only what the contract tests use is there: they neither stop nor freeze their server.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

import psycopg
from redis import Redis, RedisError

from dev.servers import Kind, PostgresBinaries, PostgresServer, RedisServer
from dev.servers.polling import poll
from dev.servers.postgres import ADMIN
from dev.servers.redis_users import ADMIN as REDIS_ADMIN
from dev.servers.redis_users import Denials, redis_url, write_users

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testcontainers.core.container import DockerContainer

    from dev.servers.process import ServerProcess

REDIS_PORT, POSTGRES_PORT = 6379, 5432
UNKNOWN = Path("/nonexistent")


class _Untouched:
    """Stands for the process: it is always as it was."""

    def restore(self) -> None:
        """Nothing was done to it."""


UNTOUCHED = cast("ServerProcess", _Untouched())


@contextlib.contextmanager
def redis_of(image: str) -> Iterator[RedisServer]:
    """Run an image of Redis or Valkey, with the users that the project deploys, until the block ends."""
    program = "valkey-server" if "valkey" in image else "redis-server"
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        settings = write_users(directory)
        # The image's server runs as a user of its own.
        for path, mode in ((directory, 0o755), *((file, 0o644) for file in directory.iterdir())):
            path.chmod(mode)
        container = _container(image)
        container.with_exposed_ports(REDIS_PORT).with_volume_mapping(name, name)
        container.with_command(
            [program, str(settings), "--enable-debug-command", "yes", "--save", ""]
        )
        with container:
            port = int(container.get_exposed_port(REDIS_PORT))
            admin = redis_url(REDIS_ADMIN, port)
            poll(lambda: _redis_answers(admin), f"{image} answers")
            with Redis.from_url(admin) as client:
                version = client.info("server")["redis_version"]
            yield RedisServer(
                host="127.0.0.1",
                port=port,
                unix_socket=UNKNOWN,
                product=image,
                version=version,
                kind=Kind.MACHINE,
                data_dir=UNKNOWN,
                process=UNTOUCHED,
                denials=Denials(lambda: Redis.from_url(admin, decode_responses=True)),
            )


@contextlib.contextmanager
def postgres_of(image: str) -> Iterator[PostgresServer]:
    """Run an image of PostgreSQL or TimescaleDB until the block ends."""
    passwords = {
        "admin_password": secrets.token_urlsafe(12),
        "processor_password": secrets.token_urlsafe(12),
    }
    container = _container(image).with_exposed_ports(POSTGRES_PORT)
    container.with_env("POSTGRES_USER", ADMIN).with_env("POSTGRES_DB", "postgres")
    container.with_env("POSTGRES_PASSWORD", passwords["admin_password"])
    container.with_env("TIMESCALEDB_TELEMETRY", "off")
    with container:
        server = PostgresServer(
            host="127.0.0.1",
            port=int(container.get_exposed_port(POSTGRES_PORT)),
            socket_dir=UNKNOWN,
            binaries=PostgresBinaries(image, UNKNOWN, Kind.MACHINE),
            data_dir=UNKNOWN,
            bin_dir=UNKNOWN,
            process=UNTOUCHED,
            **passwords,
        )
        poll(lambda: _postgres_answers(server.admin_url), f"{image} answers", within_s=120)
        yield server


def _container(image: str) -> DockerContainer:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415  # in a group of its own

    return DockerContainer(image)


def _redis_answers(url: str) -> bool:
    with Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False


def _postgres_answers(url: str) -> bool:
    try:
        # A second session: while the image sets the cluster up, its server answers by its socket only.
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
