"""The errors that cross module borders: they say what failed, whose fault it is, and what an operator can do."""

from __future__ import annotations


class TelemetryError(Exception):
    """Base of every error that these packages raise on purpose."""


class ConfigError(TelemetryError):
    """The environment is not usable; the message names every bad variable (exit 78)."""


class EdgeError(TelemetryError):
    """A server did not do what it was asked. `where` is host and port or a path, never a credential."""

    # Whether the server answered, and refused.
    is_refusal = False

    def __init__(self, message: str, *, where: str) -> None:
        super().__init__(f"{where}: {message}")
        self.where = where


class RedisError(EdgeError):
    """Base of the Redis edge's errors."""

    wants_new_connection = False
    """Whether a new attempt needs a new connection."""


class RedisUnavailable(RedisError):
    """No connection, a broken one, or no answer in time: a failure of the infrastructure, to be tried again."""

    wants_new_connection = True


class RedisRefused(RedisError):
    """Redis answered with an error; `code` is its first word (`NOGROUP`, `WRONGPASS`, ...)."""

    is_refusal = True

    def __init__(self, message: str, *, where: str, code: str) -> None:
        super().__init__(message, where=where)
        self.code = code


class RedisMoved(RedisRefused):
    """The server that answered is not, or not yet, the one to work on: usually a replica since a failover.

    Every connection has been closed: the next ones go to the server that the name points to by then.
    """

    wants_new_connection = True
