"""The errors that cross module borders: what failed, whose fault it is, what an operator can do."""

from __future__ import annotations


class TelemetryError(Exception):
    """Base of every error that these packages raise on purpose."""


class ConfigError(TelemetryError):
    """The environment is not usable; the message names every bad variable (exit 78)."""


class EdgeError(TelemetryError):
    """A server did not do what it was asked. `where` is host and port or a path, never a credential."""

    # Whether it is there, and says no.
    is_refusal = False

    def __init__(self, message: str, *, where: str) -> None:
        super().__init__(f"{where}: {message}")
        self.where = where


class RedisError(EdgeError):
    """Base of the Redis edge's errors."""

    wants_new_connection = False
    """Whether it is of no use to ask again on the connections that there are."""


class RedisUnavailable(RedisError):
    """No connection, a broken one, or no answer in time: the infrastructure's failure, to be tried again."""

    wants_new_connection = True


class RedisRefused(RedisError):
    """Redis answered with an error; `code` is its first word (`NOGROUP`, `WRONGPASS`, ...)."""

    is_refusal = True

    def __init__(self, message: str, *, where: str, code: str) -> None:
        super().__init__(message, where=where)
        self.code = code


class RedisMoved(RedisRefused):
    """A server answered that is not, or not yet, the one to work on: a replica since a failover, as a rule.

    Every connection is closed by then: the next ones lead to where the name points at that time.
    """

    wants_new_connection = True
