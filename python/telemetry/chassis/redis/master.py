"""Connections of the `redis` package to whichever server a service's sentinels lead to."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import redis
import trio

from telemetry.chassis.errors import RedisRefused, RedisUnavailable
from telemetry.chassis.redis.sentinels import find_master

if TYPE_CHECKING:
    from telemetry.chassis.config.redis_target import RedisTarget


class Master:
    """Finds a service's master, for all connections of a client."""

    def __init__(self, target: RedisTarget) -> None:
        """Nobody is asked yet."""
        self._target = target
        self._found: RedisTarget | None = None

    @property
    def where(self) -> str:
        """Where it was when it was last found, or whom to ask, for messages."""
        return (self._found or self._target).where

    def find(self) -> RedisTarget:
        """Ask where it is by now. Raises the package's errors."""
        try:
            # In a thread of its own, since the caller may be a task of Trio.
            with ThreadPoolExecutor(max_workers=1) as thread:
                self._found = thread.submit(lambda: trio.run(find_master, self._target)).result()
        except (RedisUnavailable, RedisRefused) as error:
            self._found = None
            reason = str(error).removeprefix(f"{error.where}: ")
            kind = redis.ResponseError if error.is_refusal else redis.ConnectionError
            raise kind(reason) from error
        return self._found


class MasterConnection(redis.Connection):
    """A connection that looks for the master each time that it connects."""

    def __init__(self, *, master: Master, **options: Any) -> None:  # noqa: ANN401  # the package's own
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._master = master

    def _connect(self) -> socket.socket:
        found = self._master.find()
        self.host, self.port = found.host, found.port
        connected: socket.socket = super()._connect()  # type: ignore[no-untyped-call]
        return connected

    def read_response(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # the package's own
        """As the package's. A server that is no master any more is left, so that the next command finds the new one."""
        try:
            return super().read_response(*arguments, **options)
        except (redis.ReadOnlyError, redis.exceptions.MasterDownError):
            self.disconnect()  # type: ignore[no-untyped-call]
            raise


class TlsMasterConnection(redis.SSLConnection, MasterConnection):
    """The same with TLS."""
