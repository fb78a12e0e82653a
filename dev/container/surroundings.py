"""The servers around the services, on this machine, by the commands and with the secrets of the deployment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import redis

from dev.container.composition import commands
from dev.servers import Choice, find_postgres, launch_postgres
from dev.servers.guarded import guarded_directory
from dev.servers.ports import HOST, free_port
from dev.servers.process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dev.container.composition import Resolved
    from dev.servers import PostgresServer
    from dev.servers.guarded import GuardedDirectory

DATABASE = "telemetry"
STREAM = "telemetry:teltonika"
GROUP = "processor"

MISSING = """
    SELECT count(*) FROM unnest(%s::text[], %s::timestamptz[]) AS answered (device_id, ts)
    WHERE NOT EXISTS (
        SELECT FROM positions WHERE positions.device_id = answered.device_id AND positions.ts = answered.ts
    )
"""


@dataclass(frozen=True)
class Surroundings:
    """Running servers."""

    secrets: Path
    """What the services mount."""
    owner_url: str

    def secret(self, name: str) -> str:
        """The content of a secret."""
        return (self.secrets / name).read_text().strip()

    def passwords(self) -> set[str]:
        """Every password of the deployment."""
        lines = self.secret("redis_passwords").splitlines()
        files = [path for path in self.secrets.iterdir() if path.name.endswith("_password")]
        return {line.split()[1] for line in lines} | {self.secret(path.name) for path in files}

    def rows(self) -> int:
        """Rows in the table."""
        with psycopg.connect(self.owner_url) as owner:
            [count] = owner.execute("SELECT count(*) FROM positions").fetchone() or (0,)
        return int(count)

    def missing(self, records: Sequence[Mapping[str, str]]) -> int:
        """How many of these (`device_id`, `ts`) have no row in the table."""
        keys = [[each[name] for each in records] for name in ("device_id", "ts")]
        with psycopg.connect(self.owner_url) as owner:
            [count] = owner.execute(MISSING, keys).fetchone() or (0,)
        return int(count)

    def left(self) -> int:
        """Entries of the stream that are not delivered, or not settled."""
        with redis.Redis.from_url(self.secret("redis_url")) as client:
            groups: Any = client.xinfo_groups(STREAM)
        return sum(group["lag"] + group["pending"] for group in groups)

    def pending_of(self, consumer: str) -> int:
        """Entries that this consumer has not settled."""
        with redis.Redis.from_url(self.secret("redis_url")) as client:
            summary: Any = client.xpending(STREAM, GROUP)
        return sum(
            each["pending"] for each in summary["consumers"] if each["name"] == consumer.encode()
        )

    def dead_letters(self) -> int:
        """Dead letters, which there should not be."""
        with redis.Redis.from_url(self.secret("redis_url")) as client:
            return len(client.xrange(f"{STREAM}:dlq"))


@contextlib.contextmanager
def running_surroundings(config: Resolved, checkout: Path) -> Iterator[Surroundings]:
    """Start what `config` names, on free ports, until the block ends. Raises ServerError if one does not start."""
    with (
        launch_postgres(find_postgres(Choice.AUTO)) as postgres,
        guarded_directory("deployment", last_signal=signal.SIGKILL) as directory,
        contextlib.ExitStack() as stack,
    ):
        redis_port = free_port()
        surroundings = Surroundings(
            secrets=_make_secrets(directory.path, checkout, postgres, redis_port),
            owner_url=postgres.database(DATABASE).admin_url,
        )
        with psycopg.connect(postgres.admin_url, autocommit=True) as owner:
            owner.execute(f"CREATE DATABASE {DATABASE}")
        for process in (
            _redis(config, directory, surroundings, redis_port),
            _directus(config, directory, surroundings, postgres),
        ):
            process.start()
            stack.callback(process.stop)
        yield surroundings


def _make_secrets(
    directory: Path, checkout: Path, postgres: PostgresServer, redis_port: int
) -> Path:
    secrets = directory / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "postgres_owner_password").write_text(postgres.admin_password)
    subprocess.run(
        [checkout / "deploy/make-secrets", secrets], check=True, stdout=subprocess.DEVNULL
    )
    places = {
        "@redis:6379": f"@{HOST}:{redis_port}",
        "@timescaledb:5432": f"@{HOST}:{postgres.port}",
    }
    for path in secrets.glob("*_url"):
        url = path.read_text()
        for there, here in places.items():
            url = url.replace(there, here)
        path.write_text(url)
    return secrets


def _redis(
    config: Resolved, directory: GuardedDirectory, surroundings: Surroundings, port: int
) -> ServerProcess:
    data = directory.path / "redis"
    data.mkdir(mode=0o700)
    argv = [*commands(config["services"]["redis"]), "--port", str(port), "--bind", HOST]
    return ServerProcess(
        name="Redis",
        argv=[str(data) if word == "/data" else word for word in argv],
        directory=directory,
        log=directory.path / "redis.log",
        stop_signal=signal.SIGTERM,
        answers=lambda: _answers(port),
        env={
            **os.environ,
            "REDIS_RUN_DIR": str(directory.path),
            "REDIS_PASSWORDS_FILE": str(surroundings.secrets / "redis_passwords"),
        },
    )


def _directus(
    config: Resolved,
    directory: GuardedDirectory,
    surroundings: Surroundings,
    postgres: PostgresServer,
) -> ServerProcess:
    service = config["services"]["directus"]
    ready = directory.path / "ready"
    secrets = surroundings.secrets
    return ServerProcess(
        name="the stand-in for Directus",
        argv=commands(service),
        directory=directory,
        log=directory.path / "directus.log",
        stop_signal=signal.SIGTERM,
        answers=ready.exists,
        env={
            **os.environ,
            "PATH": f"{postgres.bin_dir}{os.pathsep}{os.environ['PATH']}",
            **service["environment"],
            "PGHOST": HOST,
            "PGPORT": str(postgres.port),
            "READY": str(ready),
            "OWNER_PASSWORD_FILE": str(secrets / "postgres_owner_password"),
            "PROCESSOR_PASSWORD_FILE": str(secrets / "postgres_processor_password"),
        },
    )


def _answers(port: int) -> bool:
    # As the container's health check asks: without a login Redis refuses, once it has its data.
    with contextlib.closing(redis.Redis(host=HOST, port=port, protocol=2)) as client:
        try:
            client.ping()
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False
    return False
