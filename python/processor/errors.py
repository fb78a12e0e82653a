"""The errors that cross module borders: what failed, whose fault it is, what an operator can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from processor.core.ledger import Ledger


class ProcessorError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(ProcessorError):
    """The environment is not usable; the message names every bad variable (exit 78)."""


class EdgeError(ProcessorError):
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


class PostgresError(EdgeError):
    """PostgreSQL failed or refused a statement.

    `sqlstate` is None when the failure was found on this side (no connection, connection lost).
    `connection_usable` says whether the connection survived. `session` is the number of the store's
    session that it happened on, None when none could be had. `constraint` is what was violated, if
    the server names it. `awaits_standby`: the commit was given up while the server waited for a
    standby, or was answered without one; such a failure says nothing about the rows.
    """

    def __init__(  # noqa: PLR0913  # what the decision about a failed write may need
        self,
        message: str,
        *,
        where: str,
        sqlstate: str | None,
        connection_usable: bool,
        session: int | None = None,
        constraint: str | None = None,
        awaits_standby: bool = False,
    ) -> None:
        super().__init__(message, where=where)
        self.sqlstate = sqlstate
        self.connection_usable = connection_usable
        self.session = session
        self.constraint = constraint
        self.awaits_standby = awaits_standby


class PostgresRefused(PostgresError):
    """PostgreSQL, or a pooler before it, answered a connection attempt, and gives us no session that will do."""

    is_refusal = True


class SchemaMismatch(ProcessorError):
    """The table is missing or not what the contract says; one line a difference (exit 5)."""

    def __init__(self, differences: tuple[str, ...]) -> None:
        super().__init__("; ".join(differences))
        self.differences = differences


class LedgerImbalance(ProcessorError):
    """Entries that were read are in no class of the ledger, or in two: a mistake in this program."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(f"{ledger.unaccounted} entries are unaccounted for: {ledger}")
        self.ledger = ledger
