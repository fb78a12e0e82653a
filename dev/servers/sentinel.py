"""Launches sentinels, which watch a Redis and make its replica the master when it is gone."""

from __future__ import annotations

import contextlib
import shutil
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dev.servers.guarded import guarded_directory
from dev.servers.polling import poll
from dev.servers.ports import HOST, free_port
from dev.servers.process import ServerProcess
from dev.servers.redis_users import PASSWORD, SENTINEL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dev.servers.binaries import RedisBinary
    from dev.servers.redis import RedisServer

SERVICE = "fleet"
# Not that of the servers: a client has to keep the two apart.
SENTINEL_PASSWORD = f"sentinels-{PASSWORD}"
PROBE_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Sentinel:
    """A running sentinel."""

    port: int
    process: ServerProcess
    settings: Path
    """It writes down there what it knows."""

    @property
    def client(self) -> redis.Redis:
        """For whoever looks on."""
        return redis.Redis(
            port=self.port,
            password=SENTINEL_PASSWORD,
            socket_timeout=PROBE_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )

    @property
    def master_port(self) -> int:
        """The port of the server that it takes for the master."""
        with self.client as client:
            [_, port] = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(port)

    def fail_over(self) -> None:
        """Have it make the replica the master; returns at once."""
        with self.client as client:
            client.execute_command("SENTINEL", "FAILOVER", SERVICE)


@contextlib.contextmanager
def launch_sentinels(
    binary: RedisBinary, master: RedisServer, replicas: int, *, count: int = 3, down_ms: int = 1_500
) -> Iterator[list[Sentinel]]:
    """Run sentinels that watch `master`, until the block ends; of whom most have to agree.

    They know its `replicas` and each other when they are handed out. They ask each second, and with a `down_ms` of
    less would take a server of a busy machine for dead.
    """
    with contextlib.ExitStack() as stack:
        sentinels = [
            stack.enter_context(_sentinel(binary, master, count // 2 + 1, down_ms))
            for _ in range(count)
        ]
        for sentinel in sentinels:
            poll(lambda: _knows(sentinel, replicas, count - 1), "the sentinel knows all others")  # noqa: B023
        yield sentinels


@contextlib.contextmanager
def _sentinel(
    binary: RedisBinary, master: RedisServer, quorum: int, down_ms: int
) -> Iterator[Sentinel]:
    with guarded_directory("sentinel", last_signal=signal.SIGKILL) as directory:
        settings, port = directory.path / "sentinel.conf", free_port()
        settings.write_text(
            "".join(
                f"{line}\n" for line in _settings(directory.path, port, master, quorum, down_ms)
            )
        )
        settings.chmod(0o600)
        process = ServerProcess(
            name="sentinel",
            argv=[binary.path, settings, "--sentinel"],
            directory=directory,
            log=directory.path / "sentinel.log",
            stop_signal=signal.SIGTERM,
            answers=lambda: _answers(sentinel),
        )
        sentinel = Sentinel(port, process, settings)
        try:
            process.start()
            yield sentinel
        finally:
            process.kill()


def _settings(
    directory: Path, port: int, master: RedisServer, quorum: int, down_ms: int
) -> Sequence[str]:
    return [
        f"port {port}",
        f"bind {HOST}",
        f"dir {directory}",
        f"requirepass {SENTINEL_PASSWORD}",
        f"sentinel monitor {SERVICE} {master.host} {master.port} {quorum}",
        f"sentinel auth-user {SERVICE} {SENTINEL}",
        f"sentinel auth-pass {SERVICE} {PASSWORD}",
        f"sentinel down-after-milliseconds {SERVICE} {down_ms}",
        # After a failover that did not come about, the next one begins after twice that.
        f"sentinel failover-timeout {SERVICE} 2000",
    ]


def _answers(sentinel: Sentinel) -> bool:
    with contextlib.closing(sentinel.client) as client:
        try:
            client.ping()
        except (redis.ConnectionError, redis.TimeoutError):
            return False
    return True


def _knows(sentinel: Sentinel, replicas: int, others: int) -> bool:
    with sentinel.client as client:
        state: Any = client.execute_command("SENTINEL", "MASTER", SERVICE)
    return (int(state["num-slaves"]), int(state["num-other-sentinels"])) == (replicas, others)


def copy_settings(sentinel: Sentinel) -> Path:
    """What a sentinel knows at this moment, to be given back to it later by `shutil.copy`."""
    kept = sentinel.settings.with_suffix(".kept")
    shutil.copy(sentinel.settings, kept)
    return kept
