"""The processor's own errors that cross module borders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.chassis.errors import EdgeError, TelemetryError

if TYPE_CHECKING:
    from processor.core.ledger import Ledger


class PostgresError(EdgeError):
    """PostgreSQL failed or refused a statement.

    `sqlstate` is None when the failure was found on this side (no connection, connection lost).
    `connection_usable` says whether the connection survived. `session` is the number of the store's
    session that failed, or None if none could be opened. `constraint` is the violated constraint, if
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
    """PostgreSQL, or a pooler before it, answered a connection attempt, but gave no session that can be used."""

    is_refusal = True


class SchemaMismatch(TelemetryError):
    """The table is missing or not what the contract says; with a line for each difference (exit 5)."""

    def __init__(self, differences: tuple[str, ...]) -> None:
        super().__init__("; ".join(differences))
        self.differences = differences


class LedgerImbalance(TelemetryError):
    """Entries that were read are in no class of the ledger, or in two: a bug in this program."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(f"{ledger.unaccounted} entries are unaccounted for: {ledger}")
        self.ledger = ledger
